"""The published corpora, with the addresses and hashes of their files.

A fit depends on the parts of a corpus that its model reads, so a published row of a model that reads interactions alone
can be rerun wherever the interactions are the same.
"""

from __future__ import annotations

from data_prep.public import PublicCorpus, PublicFile, PublicPart
from data_prep.public.paper_files import (
    AMAZON_2014,
    BEAUTY_FILES,
    BEAUTY_TIMES,
    GITHUB,
    SPORTS_FILES,
    SPORTS_TIMES,
    pinned,
)

MLLM_MSR = f"{GITHUB}/YuyangYe/MLLM-MSR/bb270c6faa689b96719f8dfcbb75d764ca0215fa/MLLM-MSR/data/microlens"
MULTIMODAL = f"{GITHUB}/sisinflab/MultiModalBenchmarking/a9f6949e62123f7074a1cb5efa8b71a5d5f4c12c/data"
AMAZON_2018 = (
    "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2",
    "https://jmcauley.ucsd.edu/data/amazon_v2",
)

AMAZON_TERMS = "Amazon review data of the McAuley lab, UC San Diego: for research; terms of the repositories apply too"
MCAULEY = "McAuley et al., SIGIR 2015; He and McAuley, WWW 2016"
NO_PICTURES = "none"
PAPERS_CITE = (
    MCAULEY,
    "S3-Rec (Zhou et al., CIKM 2020): the set and its order",
    "RDRec (Wang et al., ACL 2024): names of users and items",
    "GRLM: keywords per item, written by a language model",
)
TIMES_CITE = ("TiCoSeRec (Dang et al., TKDE 2024): times", "IDGenRec (Tan et al., SIGIR 2024): names of its users")
KEYWORDS = "keywords, written by a language model from title and description"
PAPERS_TEXTS = (
    f"{KEYWORDS}; brand and category path, which search needs, come from the optional metadata of 2014, by a rule that "
    "was not compared with the published ones"
)
PAPERS_MISSING = "titles, descriptions, prices, pictures, ratings and reviews"


def _parts(interactions: str, texts: PublicPart, pictures: str, about: str = NO_PICTURES) -> tuple[PublicPart, ...]:
    same = about == NO_PICTURES
    return (
        PublicPart("interactions", interactions, True, "users, items, order, and times and ratings as available"),
        texts,
        PublicPart("pictures", pictures, same, about),
    )


BEAUTY_TEXTS = PublicPart(
    "texts", "393936520e1ef50210d38683b2e3cb4ed85d5fbf7454bde7d61340f3ebb4dc2a", False, PAPERS_TEXTS
)
SPORTS_TEXTS = PublicPart(
    "texts", "35f1e0cf27109e24cc707721027b16ae7ba242e83b7344cef31b590975bbadde", False, PAPERS_TEXTS
)
BEAUTY_KEYWORDS = PublicPart(
    "texts", "120a717bac9434fed4bb7ad52c0e6ae326b657c3f9b3195f3a96b784dafe88fd", True, KEYWORDS
)
SPORTS_KEYWORDS = PublicPart(
    "texts", "202481518f4ce9261e62dea2be36e325c9cba1e87f1b869cc60aa536869502c6", True, KEYWORDS
)
BEAUTY_PICTURES = "d448a63a89d4e73c73fcef832e2e584abd709dce4295766e3f9a5f94465f6e49"
SPORTS_PICTURES = "6318f4ad207e68d627f190d175ba00c124f80037f74bad958239e669729f8c25"
BY_DAY = "times are whole days; interactions of one day are ordered by a hash of user and item"
BY_FILE = "no times; the order of the S3-Rec, P5 and TIGER papers, in which interactions of one day are sorted by item"


def _split_files(name: str, *known: tuple[str, str, int]) -> tuple[PublicFile, ...]:
    return tuple(
        pinned(f"{MULTIMODAL}/{name}/{part}.tsv", f"the {part} part of the public split", sha256, size)
        for part, sha256, size in known
    )


PUBLIC: tuple[PublicCorpus, ...] = (
    PublicCorpus(
        name="beauty",
        about="Amazon Beauty of 2014, 5-core, with the days of the reviews and keywords",
        terms=AMAZON_TERMS,
        cite=(*PAPERS_CITE, *TIMES_CITE),
        files=(*BEAUTY_FILES, *BEAUTY_TIMES),
        reader="data_prep.public.papers:beauty",
        raw="beauty",
        users=22_363,
        items=12_101,
        interactions=198_502,
        parts=_parts("436a5be349d7ee41974708627210f2cbb9b27661e9b41008dda09670b6b7d412", BEAUTY_TEXTS, BEAUTY_PICTURES),
        order=BY_DAY,
        missing=PAPERS_MISSING,
    ),
    PublicCorpus(
        name="beauty-s3rec",
        about="Amazon Beauty of 2014, 5-core, in the order of the S3-Rec, P5 and TIGER papers",
        terms=AMAZON_TERMS,
        cite=PAPERS_CITE,
        files=BEAUTY_FILES,
        reader="data_prep.public.papers:beauty_s3rec",
        raw="beauty",
        users=22_363,
        items=12_101,
        interactions=198_502,
        parts=_parts(
            "130ed2adb2238e3ab6380b19ef813c9ad68b5c0d5be9666cdca3b7136b37b55b", BEAUTY_KEYWORDS, BEAUTY_PICTURES
        ),
        order=BY_FILE,
        missing=f"times, {PAPERS_MISSING}",
        ties="file",
    ),
    PublicCorpus(
        name="sports",
        about="Amazon Sports and Outdoors of 2014, 5-core, with the days of the reviews and keywords",
        terms=AMAZON_TERMS,
        cite=(*PAPERS_CITE, *TIMES_CITE),
        files=(*SPORTS_FILES, *SPORTS_TIMES),
        reader="data_prep.public.papers:sports",
        raw="sports",
        users=35_598,
        items=18_357,
        interactions=296_337,
        parts=_parts("90a967979b9587e52ccfaea56dde566d24903a68fb867fbbc5e33dfda340dc4a", SPORTS_TEXTS, SPORTS_PICTURES),
        order=BY_DAY,
        missing=PAPERS_MISSING,
    ),
    PublicCorpus(
        name="sports-s3rec",
        about="Amazon Sports and Outdoors of 2014, 5-core, in the order of the S3-Rec, P5 and TIGER papers",
        terms=AMAZON_TERMS,
        cite=PAPERS_CITE,
        files=SPORTS_FILES,
        reader="data_prep.public.papers:sports_s3rec",
        raw="sports",
        users=35_598,
        items=18_357,
        interactions=296_337,
        parts=_parts(
            "1466449958dea9b8be48cc089c868c073634e4ac15ea6804ef1f231f59a1b0a4", SPORTS_KEYWORDS, SPORTS_PICTURES
        ),
        order=BY_FILE,
        missing=f"times, {PAPERS_MISSING}",
        ties="file",
    ),
    PublicCorpus(
        name="gift_cards",
        about="Amazon Gift Cards of 2018, 5-core, with reviews and metadata",
        terms=AMAZON_TERMS,
        cite=("Ni et al., EMNLP 2019",),
        files=(
            PublicFile(
                "Gift_Cards_5.json.gz",
                "reviews with ratings and times",
                tuple(f"{host}/categoryFilesSmall/Gift_Cards_5.json.gz" for host in AMAZON_2018),
                "41e1f0e50d3c1c9d7d949fb6315944c8bde51ea6b7429a29fdd0d02cbc07ef25",
                176_952,
            ),
            PublicFile(
                "meta_Gift_Cards.json.gz",
                "titles, brands, categories, prices, descriptions",
                tuple(f"{host}/metaFiles2/meta_Gift_Cards.json.gz" for host in AMAZON_2018),
                "24ac90af3eb47d9c04458a61a44a76a882419190e027c6ec14ee0a993549c34a",
                389_825,
            ),
        ),
        reader="data_prep.mcauley:amazon_2018",
        raw="gift_cards",
        users=453,
        items=147,
        interactions=2_941,
        parts=_parts(
            "5771fc87e67dbd928e68f4e51b253ad790ae1d77a742b01e1ae74728f6c86f54",
            PublicPart(
                "texts",
                "453849d6f3c7f16563fad7b77466354b786a02fe6f5851d1d5474c4dfc57bad4",
                True,
                "titles, brands, categories, prices, descriptions, reviews and explanations",
            ),
            "548b5670706bbfc7d565ff998e8054bf093c8d682388849bdf5103e6bf68f982",
        ),
        order="times are whole days; interactions of one day are ordered by a hash of user and item",
        missing="pictures, whose addresses are in the metadata",
        filtered=False,
    ),
    PublicCorpus(
        name="musical_instruments",
        about="Amazon Musical Instruments of 2014, 5-core: reviews with ratings and times, without metadata",
        terms=AMAZON_TERMS,
        cite=(MCAULEY,),
        files=(
            # Only the content of the lines is known, not the bytes of the packed file; the fingerprints check it.
            PublicFile(
                "reviews_Musical_Instruments_5.json.gz",
                "reviews with ratings and times",
                tuple(f"{host}/reviews_Musical_Instruments_5.json.gz" for host in AMAZON_2014),
            ),
        ),
        reader="data_prep.mcauley:amazon_2014",
        raw="musical_instruments",
        users=1_429,
        items=900,
        interactions=10_261,
        parts=_parts(
            "9fbde054dcde7045db4268235406132f213fc2ffe42e33cbe467093b4a01b136",
            PublicPart(
                "texts",
                "f501decf2e8dae789e59ee29653c6b979cfec31fc737a82ca16da5f699938e6b",
                True,
                "reviews and explanations",
            ),
            "35198777331c39294c9f97c06c24162873715905f7caf62bdd85f5c0def27e55",
        ),
        order=BY_DAY,
        missing="titles, descriptions, brands, categories, prices and pictures, since the metadata file is not read",
        filtered=False,
    ),
    PublicCorpus(
        name="movielens",
        about="MovieLens latest-small: ratings with times, titles, genres, tags",
        terms="GroupLens, University of Minnesota: for research, with acknowledgement, not for commercial use",
        cite=("Harper and Konstan, ACM TiiS 5(4), 2015",),
        files=(
            # The hash is the one that TensorFlow Datasets publishes for this archive.
            PublicFile(
                "ml-latest-small.zip",
                "ratings, times, titles, genres and tags",
                ("https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",),
                "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
            ),
        ),
        reader="data_prep.public.movielens:MovieLens",
        raw="movielens",
        users=610,
        items=9_724,
        interactions=100_836,
        parts=_parts(
            "0740075735d9adb98120b37dd7c364517102646c52685a62aa76ecd47d676dd4",
            PublicPart(
                "texts",
                "236dd4afc4d189c6da6122037c7810c1920b61f736515e700dd1b6c9bbdeac3b",
                False,
                "titles, years, genres and tags; the published corpus also has plots of 9,186 movies, which are not in "
                "the archive",
            ),
            "bc19c534ecc9f89d199d6496a8b0943815f50982fc2476289965159ba19feed2",
            "not in the archive; the published corpus has posters of 3,629 movies",
        ),
        order="times in seconds",
        missing="plots and posters, which the published corpus has, and reviews",
    ),
    PublicCorpus(
        name="baby",
        about="Amazon Baby of 2014, a subset with a random public split",
        terms=AMAZON_TERMS,
        cite=(MCAULEY, "the authors of github.com/sisinflab/MultiModalBenchmarking: subset and split"),
        files=_split_files(
            "baby",
            ("train", "81ec36c9593eb2779a7986fc368f63f9e4c0430d02081b21c786c1228ac12e23", 2_480_455),
            ("val", "4c7a027b07372ef1798626156fabec1aa3968a72edfe7034dc8a7c4fcb6c7a77", 623_700),
            ("test", "3589897b2038a0fced55b65ff47a3ba191d9d8a7967b6c5aa5b2f06dd8cd4cbc", 1_023_924),
        ),
        reader="data_prep.public.ratings:baby",
        raw="baby",
        users=19_440,
        items=6_386,
        interactions=138_821,
        parts=_parts(
            "b95a5be72abc7eea35140e48ede9bb067f37dc23baaf4501576b6c077a1a1c03",
            PublicPart(
                "texts",
                "ef100817e4353db1a342495e7d11d4519f511dffd87accc9bd01c1e98544bbf5",
                False,
                "none; the published corpus has title, picture address and, in part, description of 3,046 items",
            ),
            "5d2fb0550aa6972606f180e905b8bd0b61e813c731835a9fd86e5ff79c8577cf",
        ),
        order="no times; a random public split",
        missing="times, order, reviews, pictures; titles and descriptions, which the published corpus has in part",
    ),
    PublicCorpus(
        name="office",
        about="Amazon Office Products of 2014, a subset with a random public split",
        terms=AMAZON_TERMS,
        cite=(MCAULEY, "the authors of github.com/sisinflab/MultiModalBenchmarking: subset and split"),
        files=_split_files(
            "office",
            ("train", "9cb420fc14117a54b80bc43d8e6922e3659fc0b8d5b86522d0b6293b8e5a2594", 630_376),
            ("val", "cf96384fe22979e46c4802d5cb6237949ce9a97f95109fde61ac390ecc95d200", 162_068),
            ("test", "033a7fa7136b6fa5b298070ab1ecf85a2d3a360880e14c7b7262123e5de20a86", 263_745),
        ),
        reader="data_prep.public.ratings:office",
        raw="office",
        users=4_892,
        items=1_780,
        interactions=35_513,
        parts=_parts(
            "6938894997ce8f3440a6232d95e435e1cf44a38156a171754c8351f42e9600fb",
            PublicPart("texts", "37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570", True, "none"),
            "e659cef49008232ba09cd05496b6074a52ee63c1f0da4a9a93aa43e46803c3f5",
        ),
        order="no times; a random public split",
        missing="times, order, texts, reviews and pictures",
    ),
    PublicCorpus(
        name="microlens",
        about="MicroLens-50k: short videos in the order of watching, with titles",
        terms="MicroLens (Westlake University): for research",
        cite=("Ni et al., 2023: MicroLens", "MLLM-MSR: the copy"),
        files=(
            pinned(
                f"{MLLM_MSR}/MicroLens-50k_pairs.tsv",
                "videos of each user in order",
                "46be22f478aa891b9c2a4b357c1df2ac2478793a99d58d07336e6277b6bf426d",
                2_295_542,
            ),
            pinned(
                f"{MLLM_MSR}/MicroLens-50k_titles.csv",
                "titles",
                "244aad5380cbbe0fb43458cfcda5ebe820f534384602f80a64dbbcd07dd30e49",
                2_392_145,
            ),
        ),
        reader="data_prep.formats.microlens:MicroLens",
        raw="microlens",
        users=50_000,
        items=19_220,
        interactions=359_708,
        parts=_parts(
            "abd9f8f34b8a3d5bfbbdc50d4ca2b49dd4198d33a058000c8038180324ae205d",
            PublicPart("texts", "968d42d3ef576560a81afe7414a29895d5097aa48c5238d5fca2c7f59fe16534", True, "titles"),
            "ef6e702fcdc50982253b3a80dd73e8e123f1ad4b4edfa8d327a9ae2e47955301",
        ),
        order="no clock times; chronological order within each user",
        missing="clock times, covers, videos and their features, which MicroLens distributes separately",
    ),
    PublicCorpus(
        name="grocery",
        about="Amazon Grocery, the training part of a 5-core set, as RecBole atomic files",
        terms=AMAZON_TERMS,
        cite=(MCAULEY,),
        files=(
            PublicFile(
                "grocery.inter.gz",
                "interactions with times",
                sha256="dd3a155a26e239d958f21ede7ced1a413b0bf560b652aef08c88da60c3d9e094",
                size=630_972,
                obtain="no public address is known",
            ),
            PublicFile(
                "grocery.item.gz",
                "category numbers",
                sha256="3fcd79e22d95d1c6d7f20c8124cd7dbd3d4d5ef4cd8103ba6d3983286e4ad6df",
                size=20_277,
                obtain="no public address is known",
            ),
        ),
        reader="data_prep.atomic:Atomic",
        raw="grocery",
        users=14_681,
        items=8_687,
        interactions=121_892,
        parts=_parts(
            "7f94b44222e7511504a6dac9edf0b983757caa290befcfcdeae40c2ffb90574d",
            PublicPart(
                "texts", "df5ccf873b5185fd7f5258c5636b2b7cd2d15261b8b80ec8e6c1d2f5fa41febd", True, "category numbers"
            ),
            "56ae2fb03be31e7b2d551fed6112ab000b69e6a0d279346bcbf51a6705614685",
        ),
        order="times are whole days; interactions of one day are ordered by a hash of user and item",
        missing="each user's last two interactions, names of users, items and categories, ratings, texts and pictures",
    ),
)

"""The words of the rule that picks explanations: which of them state an opinion, and which name no feature.

Lower case, each list in the order of thought. A word in neither list can name a feature: this keeps features open
for every domain, from *colour* to *ice cream*.
"""

from __future__ import annotations

PRAISE = """
    good great nice fine excellent wonderful fantastic amazing awesome perfect ideal superb brilliant terrific
    outstanding exceptional fabulous incredible marvelous impressive remarkable splendid lovely beautiful gorgeous
    pretty cute adorable elegant stylish attractive charming classy sleek stunning handsome delightful pleasant
    better best finest nicer prettier cuter favorite favourite love loves loved loving enjoy enjoys enjoyed enjoying
    likes liked adore adores pleased happy glad thrilled satisfied impressed delighted grateful excited like
    recommend recommended recommends appreciate appreciated easy easier easiest easily simple simpler effortless
    convenient conveniently handy useful helpful practical versatile flexible compact lightweight portable foldable
    adjustable reusable sturdy solid durable strong robust rugged tough reliable dependable trustworthy secure safe
    safely stable comfortable comfy cozy soft softer smooth gentle snug fluffy warm roomy spacious fast faster quick
    quickly quicker prompt promptly instant instantly speedy timely efficient efficiently cheap cheaper affordable
    inexpensive reasonable reasonably fair bargain worth worthwhile free delicious tasty yummy fresh flavorful
    crispy crunchy juicy creamy healthy refreshing savory fun funny entertaining exciting interesting engaging
    addictive educational creative clever cool playful clean cleaner clear clearly crisp bright vivid sharp accurate
    precise quiet silent effective powerful perfectly nicely beautifully wonderfully flawlessly smoothly correctly
    properly well thoughtful generous friendly polite courteous professional genuine authentic superior premium
    correct generously compliments thanks addicting yum bonus genius hit winner flawless effortlessly gem
"""

BLAME = """
    bad worse worst poor poorly terrible horrible awful dreadful lousy mediocre inferior subpar cheaply flimsy
    fragile brittle weak loose wobbly shaky unstable thin rough scratchy itchy stiff uncomfortable disappointing
    disappointed disappointment disappoints dissatisfied unhappy unsatisfied frustrated frustrating annoying annoyed
    irritating upset angry hate hates hated dislike dislikes disliked regret regretted broke broken breaks breaking
    cracked crack cracks torn tore ripped bent leaked leaks leaky leaking rusty rusted faded fades peeled peeling
    chipped scratched stained damaged dented defective faulty useless worthless pointless difficult harder
    impossible complicated confusing tricky awkward clumsy inconvenient cumbersome bulky heavy slow slowly slower
    late delayed noisy loud louder squeaky blurry dim dull faint unclear inaccurate expensive overpriced pricey
    costly waste wasted ripoff scam fraud fake misleading deceptive ugly tacky gaudy boring bland tasteless stale
    bitter salty greasy smelly stinky stinks disgusting nasty gross dangerous unsafe toxic harmful greedy rude
    unhelpful unprofessional smaller shorter larger bigger tight tighter wider missing incomplete wrong incorrect
    problem problems issue issues complaint complaints trouble failed fails fail failure stopped sadly unfortunately
    lacks lacking lacked silly odd weird strange
"""

FUNCTION_WORDS = """
    a an the this that these those it its he she they them him her his hers their theirs we us our ours you your
    yours i me my mine myself yourself himself herself itself ourselves themselves who whom whose which what when
    where why how and or but nor so yet if then else than because since while although though unless until till
    before after during about above across against along among around as at by down for from in inside into near of
    off on onto out outside over past per through throughout to toward towards under up upon via with within without
    am is are was were be been being do does did doing done have has had having can could will would shall should
    may might must cannot dont didnt doesnt wont cant isnt wasnt couldnt wouldnt ive im not no never none nothing
    nobody neither either both each every all any some few many much more most several such same other others
    another own only just even also too very really quite rather pretty enough almost nearly absolutely totally
    completely extremely highly super truly definitely certainly probably maybe perhaps always often usually
    sometimes ever again already still soon now here there once twice first second third last next one ones two
    three four five six seven eight nine ten half lots lot bit little kind sort etc like well however anyway
    otherwise instead especially actually basically literally honestly personally overall simply exactly
    particularly mostly mainly slightly somewhat fairly less least back away together ago later early yes ok okay oh
    wow hey please thank hi bye lol omg
"""

COMMON_VERBS = """
    buy buys bought buying purchase purchased purchases purchasing get gets got gotten getting give gives gave given
    giving take takes took taken taking make makes made making go goes went gone going come comes came coming put
    puts putting say says said saying tell tells told telling ask asked asks know knows knew known think thinks
    thought thinking guess believe hope hoped hoping wish wished want wants wanted wanting need needs needed try
    tries tried trying see sees saw seen seeing find finds found finding keep keeps kept keeping let lets leave left
    seem seems seemed become became order orders ordered ordering receive received receives receiving send sends
    sent sending expect expected expecting decide decided read reading write wrote written happen happened start
    started starting stop return returned returning change changed turn turned show showed shown call called wait
    waited waiting help helped spend spent pay paid use used uses using look looked looking feel felt work worked
    had ended end reviewed mention mentioned considering consider compared forgot forget remember remembered
    supposed able
"""

PEOPLE = """
    husband wife mom mum mother dad father parents parent son sons daughter daughters brother brothers sister
    sisters kid kids child children baby grandson granddaughter grandkids grandchildren grandma grandmother grandpa
    nephew niece nephews nieces cousin uncle aunt friend friends boyfriend girlfriend family teacher teachers
    neighbor neighbour boss coworker people person everyone everybody anyone anybody someone somebody guy guys girl
    girls boy boys man men woman women lady ladies teen teens teenager teenagers adult adults folks hubby recipient
    recipients law moms dads wives husbands students student guests coworkers pal pals
"""

MOMENTS = """
    time times day days week weeks month months year years hour hours minute minutes second seconds today yesterday
    tomorrow tonight morning evening night weekend monday tuesday wednesday thursday friday saturday sunday january
    february march april may june july august september october november december spring summer fall autumn winter
    christmas xmas easter birthday holiday holidays
"""

VAGUE = """
    product products item items thing things stuff purchase something anything everything star stars review reviews
    amazon deal choice idea job place world life reason fact case point example part
"""

OPINIONS = frozenset((PRAISE + BLAME).split())
NO_FEATURES = frozenset((FUNCTION_WORDS + COMMON_VERBS + PEOPLE + MOMENTS + VAGUE).split())

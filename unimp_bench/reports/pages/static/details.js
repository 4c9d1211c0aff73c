
/** The data of the page: JSON, compressed by gzip, in base64. */
async function read(text) {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** A definition list; entries without a value are omitted. */
function definitions(entries) {
  const list = element("dl");
  for (const [term, value] of entries) {
    if (value === "" || value === null || value === undefined) continue;
    list.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  }
  return list;
}

/** A table of text; the first cell of each row is its head. */
function textTable(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((text, at) => element("th", { scope: "col", class: at ? "number" : "" }, text)));
  const body = rows.map(([first, ...rest]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", { class: "number" }, text))),
  );
  const table = element("table", {}, element("caption", { class: "unseen" }, caption), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { class: "scroll" }, table);
}

/** Code that one click selects as a whole; lines break only between words, never within "--option". */
function code(text) {
  const words = text.split(/([ \n])/).map((word) => (word.trim() ? element("span", {}, word) : word));
  return element("pre", {}, element("code", {}, ...words));
}

function number(value) {
  return value.toFixed(4);
}

function interval(each) {
  return `${number(each.low)} to ${number(each.high)}`;
}

/** A setting as text, without quotes where possible. */
function settingText(value) {
  if (Array.isArray(value)) return value.map(settingText).join(", ") || "none";
  return typeof value === "string" ? value || "none" : JSON.stringify(value);
}

function settings(config) {
  return definitions(Object.entries(config).map(([name, value]) => [name, settingText(value)]));
}

/** One fit; with several the last one was scored. */
function stageBlock(stage, count, at) {
  const title = count > 1 ? `Configuration, fit ${at + 1} of ${count}` : "Configuration";
  const options = Object.entries(stage.options).map(([task, chosen]) => [`options of ${task}`, JSON.stringify(chosen)]);
  return [
    element("h4", {}, title),
    definitions([["model", stage.model], ["fitted on", stage.tasks.join(", ")], ["split", stage.split], ["seed", String(stage.seed)], ...options]),
    settings(stage.config),
  ];
}

/** The provenance of one seed's result. */
function runBlock(run, open) {
  const block = element("details", { class: "run" }, element("summary", {}, `Seed ${run.seed}`));
  block.open = open;
  block.append(
    definitions([["run", run.key], ["commit", run.commit], ["machine", run.machine], ["written", run.time], ...Object.entries(run.costs)]),
    ...run.stages.flatMap((stage, at) => stageBlock(stage, run.stages.length, at)),
    element("h4", {}, "Versions"),
    definitions(Object.entries(run.versions)),
  );
  return block;
}

/** Commands with a button that copies them; where the clipboard is closed, it selects them. */
function commands(lines) {
  const text = lines.join("\n");
  const shown = code(text);
  const button = element("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown);
      button.textContent = "Selected";
    }
  });
  return element("div", { class: "commands" }, shown, button);
}

/** The commands of a row's runs, and those that reproduce and compare them. */
function commandsPart(runs) {
  const again = runs.map((run) => `unimp-bench reproduce ${run.key}`);
  return part("Commands", commands(runs.map((run) => run.command)), element("p", { class: "facts" }, "To reproduce and compare:"), commands(again));
}

function count(value) {
  return value.toLocaleString("en");
}

/** A number with its sign. */
function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

/** A row against another one on the same examples; null where they have no common ones. */
function comparison(data, one, other) {
  const sheet = data.sheets[data.details[one].sheet];
  const [first, second] = [one - sheet.begin, other - sheet.begin];
  const found = sheet.pairs.find(([i, j]) => (i === first && j === second) || (i === second && j === first));
  if (!found) return null;
  const [i, , difference, low, high, p, higher, lower] = found;
  if (i === first) return { sheet, difference, low, high, p, higher, lower };
  return { sheet, difference: -difference, low: -high, high: -low, p, higher: lower, lower: higher };
}

/** What the comparison of two rows found. */
function comparisonChildren(data, one, other) {
  const found = comparison(data, one, other);
  const [mine, theirs] = [data.details[one], data.details[other]];
  if (!found) return [element("p", {}, "The results of these rows have no values of the same examples.")];
  const { sheet, difference, low, high, p, higher, lower } = found;
  const better = difference === 0 ? "" : difference > 0 === sheet.better > 0 ? mine.label : theirs.label;
  const verdict = p < 0.05 ? `${better} is better (p ${p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`}).` : `Not different (p = ${p.toFixed(3)}).`;
  const few = [mine, theirs].filter((each) => "few seeds" in each.flags).map((each) => each.label);
  const parts = sheet.parts.map((each, at) => [each, mine.means[at], theirs.means[at]]).filter(([, a, b]) => a !== null && b !== null);
  const rows = parts.map(([each, a, b]) => [each.name, count(each.examples), number(a), number(b), signed(a - b)]);
  return [
    element("p", {}, element("strong", {}, verdict)),
    definitions([
      [`Difference in ${sheet.compared}`, `${signed(difference)} (95% interval ${signed(low)} to ${signed(high)})`],
      ["This row higher on", `${count(higher)} of ${count(sheet.units)} examples`],
      ["Other row higher on", count(lower)],
      ["Equal on", count(sheet.units - higher - lower)],
      ["Caution", few.length ? `few seeds of ${few.join(" and ")}: another training may differ more than the interval says` : ""],
    ]),
    ...(rows.length ? [textTable("Where they differ", ["Part", "Examples", "This row", "Other row", "Difference"], rows)] : []),
    element("p", { class: "facts" }, "t-test over examples and seeds (Welch and Satterthwaite), not corrected for the number of comparisons."),
  ];
}

/** The choice of another row of the table, and the comparison with it. */
function comparePart(data, rows, row, chosen) {
  const one = Number(row.dataset.detail);
  const sheet = data.sheets[data.details[one].sheet];
  const others = rows.filter((each) => each !== row && comparison(data, one, Number(each.dataset.detail)));
  if (!others.length) return [];
  const select = element("select", { name: "with" }, element("option", { value: "" }, "choose a row"));
  for (const each of others) select.append(element("option", { value: each.id }, each.dataset.label));
  const outcome = element("div", { role: "status" });
  const show = () => {
    const other = others.find((each) => each.id === select.value);
    outcome.replaceChildren(...(other ? comparisonChildren(data, one, Number(other.dataset.detail)) : []));
    if (other) place.with = other.id;
    else delete place.with;
    showAddress();
  };
  select.addEventListener("change", show);
  if (others.some((each) => each.id === chosen)) {
    select.value = chosen;
    show();
  }
  const label = element("label", { class: "compare" }, `Compare with, on the same ${count(sheet.units)} examples: `, select);
  return part("Comparison", label, outcome);
}

/** A part of the details with its heading; empty without children. */
function part(title, ...children) {
  return children.length ? [element("h3", {}, title), ...children] : [];
}

function bullets(lines) {
  return lines.length ? [element("ul", {}, ...lines.map((line) => element("li", {}, line)))] : [];
}

function metricsPart(detail) {
  const rows = detail.metrics.map((each) => [each.name, number(each.value), interval(each)]);
  const missing = Object.entries(detail.missing).map(([name, reason]) => `${name} is empty: ${reason}`);
  const answers = Object.entries(detail.answers).map(([name, words]) => `${name}: ${words}`);
  return part(
    "Metrics",
    textTable("All metrics", ["Metric", "Mean", "95% interval"], rows),
    ...bullets([...answers, ...missing]),
  );
}

/** The main metric on both sides of every cut of the test examples. */
function slicesPart(detail, sheet) {
  if (!detail.means.length) return [];
  const rows = sheet.parts.map((each, at) => {
    const mean = detail.means[at];
    return [each.name, count(each.examples), mean === null ? "too few" : number(mean)];
  });
  const cuts = sheet.parts.filter((each) => each.about).map((each) => `${each.name}: ${each.about}`);
  const about = element("details", { class: "facts" }, element("summary", {}, "Definitions"), ...bullets(cuts));
  return part("Parts of the examples", textTable("Parts of the examples", ["Part", "Examples", sheet.main], rows), about);
}

function tiesPart(detail) {
  if (!detail.ties) return [];
  const { seeds, stored, shuffled } = detail.ties;
  const rows = [["as stored", number(stored.value), interval(stored)], ["shuffled", number(shuffled.value), interval(shuffled)]];
  const about = `Simultaneous interactions of a user in random order; models fitted and scored again. Seeds available for both: ${seeds}.`;
  return part("Time ties", element("p", { class: "facts" }, about), textTable("Time ties", ["Order", stored.name, "95% interval"], rows));
}

/** How far the row is from a published number that it can be compared with, in percent of that. */
function distance(detail, quoted, name) {
  const own = detail.metrics.find((each) => each.name === name);
  if (!own || quoted.differs || !quoted.metrics[name]) return "";
  const percent = Math.round((100 * (own.value - quoted.metrics[name])) / quoted.metrics[name]);
  return ` (here ${percent < 0 ? "\u2212" : "+"}${Math.abs(percent)}%)`;
}

function quotedPart(detail) {
  const lines = detail.quoted.map((each) => {
    const cells = Object.entries(each.metrics).map(([name, value]) => `${name} ${number(value)}${distance(detail, each, name)}`);
    return `${each.source}, ${each.system}${each.differs ? ` (${each.differs})` : ""}: ${cells.join(", ")}`;
  });
  return part("Reported in papers", ...bullets(lines));
}

/** The details of a row, as children of the dialog; "compare" is the part that compares it with others. */
function detailChildren(detail, sheet, runs, compare) {
  const flags = Object.entries(detail.flags).map(([flag, words]) => `${flag}: ${words}`);
  const remarks = [...new Set([...flags, ...detail.warnings, ...runs.flatMap((run) => run.remarks)])];
  return [
    element("h2", { id: "details-title", tabindex: "-1" }, detail.label),
    definitions([["about", detail.about], ["source", detail.source], ["reads", detail.reads.join(", ")]]),
    ...part("Remarks", ...bullets(remarks)),
    ...compare,
    ...commandsPart(runs),
    ...metricsPart(detail),
    ...slicesPart(detail, sheet),
    ...tiesPart(detail),
    ...quotedPart(detail),
    ...part(runs.length > 1 ? "Runs" : "Run", ...runs.map((run, at) => runBlock(run, at === 0))),
  ];
}

/** Open the details of a row, compared with another one if its id is given; closing them returns the focus. */
async function openDetails(dialog, row, other) {
  const data = await unpacked;
  if (dialog.open) return;
  const detail = data.details[Number(row.dataset.detail)];
  const close = element("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const sheet = data.sheets[detail.sheet];
  const bar = element("div", { class: "bar" }, element("p", { class: "facts" }, sheet.title), close);
  const rows = [...row.parentElement.querySelectorAll("tr[data-detail]")];
  place.row = row.id;
  delete place.with;
  const compare = comparePart(data, rows, row, other);
  dialog.replaceChildren(bar, ...detailChildren(detail, sheet, detail.runs.map((key) => data.runs[key]), compare));
  row.querySelector("th button").focus({ preventScroll: true });
  dialog.showModal();
  dialog.scrollTop = 0;
  showAddress();
}

/** Make rows with results open their details, by the button or a click anywhere; return how to open one by its id. */
function startDetails(dialog) {
  for (const row of document.querySelectorAll("tr[data-detail]")) {
    intoButton(row.cells[0], { "aria-haspopup": "dialog" });
    row.addEventListener("click", () => {
      if (getSelection().isCollapsed) openDetails(dialog, row);
    });
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    delete place.row;
    delete place.with;
    showAddress();
  });
  return (id, other) => {
    const row = document.getElementById(id);
    if (row && "detail" in row.dataset) openDetails(dialog, row, other);
  };
}

const unpacked = read(document.getElementById("data").textContent);
document.querySelectorAll("main table").forEach(makeSortable);
startDownloads();
startFilters(document.getElementById("filters"), startDetails(document.getElementById("details")));

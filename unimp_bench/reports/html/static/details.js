/** A list of terms and what they are; entries without a value are left out. */
function definitions(entries) {
  const list = element("dl");
  for (const [term, value] of entries) {
    if (value === "" || value === null || value === undefined) continue;
    list.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  }
  return list;
}

/** A table of text; the first cell of a row is its head. */
function textTable(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((text, at) => element("th", { scope: "col", class: at ? "number" : "" }, text)));
  const body = rows.map(([first, ...rest]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", { class: "number" }, text))),
  );
  const table = element("table", {}, element("caption", { class: "unseen" }, caption), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { class: "scroll" }, table);
}

/** Code that is selected whole by one click; lines break between words alone, never within "--option". */
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

/** Settings as one reads them: nothing in quotes that needs none. */
function settingText(value) {
  if (Array.isArray(value)) return value.map(settingText).join(", ") || "none";
  return typeof value === "string" ? value || "none" : JSON.stringify(value);
}

function settings(config) {
  return definitions(Object.entries(config).map(([name, value]) => [name, settingText(value)]));
}

/** One fit; "last" tells the one that was scored from those before it. */
function stageBlock(stage, count, at) {
  const title = count > 1 ? `Configuration, fit ${at + 1} of ${count}` : "Configuration";
  const options = Object.entries(stage.options).map(([task, chosen]) => [`options of ${task}`, JSON.stringify(chosen)]);
  return [
    element("h4", {}, title),
    definitions([["model", stage.model], ["fitted on", stage.tasks.join(", ")], ["split", stage.split], ["seed", String(stage.seed)], ...options]),
    settings(stage.config),
  ];
}

/** Where one seed's number comes from. */
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

/** What gives the row's numbers, a command each, and what runs one of them again and compares. */
function commandsPart(runs) {
  const again = runs.map((run) => `unimp-bench reproduce ${run.key}`);
  return part("Commands", code(runs.map((run) => run.command).join("\n")), element("p", { class: "facts" }, "The same again, and compared:"), code(again.join("\n")));
}

/** A part of the details with its heading; nothing where there is nothing to show. */
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

/** The main metric on either side of every cut that an audit of the corpus made, and where ties are shuffled. */
function slicesPart(detail, sheet) {
  if (!detail.means.length) return [];
  const rows = sheet.parts.map((each, at) => {
    const mean = detail.means[at];
    return [each.name, String(each.examples), mean === null ? "too few" : number(mean)];
  });
  const cuts = sheet.parts.filter((each) => each.about).map((each) => `${each.name}: ${each.about}`);
  const about = element("details", { class: "facts" }, element("summary", {}, "What the parts are"), ...bullets(cuts));
  return part("Parts of the examples", textTable("Parts of the examples", ["Part", "Examples", sheet.main], rows), about);
}

function tiesPart(detail) {
  if (!detail.ties) return [];
  const { seeds, stored, shuffled } = detail.ties;
  const rows = [["as stored", number(stored.value), interval(stored)], ["shuffled", number(shuffled.value), interval(shuffled)]];
  const about = `Interactions of a user at one time in an order by chance, fitted and scored again; seeds that ran both ways: ${seeds}.`;
  return part("Ties in time", element("p", { class: "facts" }, about), textTable("Ties in time", ["Order", stored.name, "95% interval"], rows));
}

function quotedPart(detail) {
  const lines = detail.quoted.map((each) => {
    const cells = Object.entries(each.metrics).map(([name, value]) => `${name} ${number(value)}`);
    return `${each.source}, ${each.system}${each.differs ? ` (${each.differs})` : ""}: ${cells.join(", ")}`;
  });
  return part("What papers report", ...bullets(lines));
}

/** Everything about a row, as children of the dialog. */
function detailChildren(detail, sheet, runs) {
  const remarks = [...new Set([...detail.warnings, ...runs.flatMap((run) => run.remarks)])];
  return [
    element("h2", { id: "details-title", tabindex: "-1" }, detail.label),
    definitions([["about", detail.about], ["source", detail.source], ["reads", detail.reads.join(", ")]]),
    ...part("Remarks", ...bullets(remarks)),
    ...commandsPart(runs),
    ...metricsPart(detail),
    ...slicesPart(detail, sheet),
    ...tiesPart(detail),
    ...quotedPart(detail),
    ...part(runs.length > 1 ? "Runs" : "Run", ...runs.map((run, at) => runBlock(run, at === 0))),
  ];
}

/** Opens the details of a row; when they are closed the focus goes back to the row's button. */
function openDetails(dialog, data, row) {
  const detail = data.details[Number(row.dataset.detail)];
  const close = element("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const sheet = data.sheets[detail.sheet];
  const bar = element("div", { class: "bar" }, element("p", { class: "facts" }, sheet.title), close);
  dialog.replaceChildren(bar, ...detailChildren(detail, sheet, detail.runs.map((key) => data.runs[key])));
  row.querySelector("th button").focus({ preventScroll: true });
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** Makes every row with a result open its details, by its button or a click anywhere on it. */
function startDetails(dialog, data) {
  for (const row of document.querySelectorAll("tr[data-detail]")) {
    intoButton(row.cells[0], { "aria-haspopup": "dialog" });
    row.addEventListener("click", () => {
      if (getSelection().isCollapsed) openDetails(dialog, data, row);
    });
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

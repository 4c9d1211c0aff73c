"use strict";

/** Create an element; children that are strings become text, never markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Wrap the children of an element in a button. */
function intoButton(holder, attributes = {}) {
  const button = element("button", { type: "button", ...attributes });
  button.append(...holder.childNodes);
  holder.append(button);
  return button;
}

const LETTERS = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const OTHER = { ascending: "descending", descending: "ascending" };

/** The sort key of a row in a column; null for an empty cell. */
function sortKey(row, column, numeric) {
  const cell = row.cells[column];
  const text = cell.dataset.key ?? cell.textContent.trim();
  if (text === "") return null;
  return numeric ? Number(text) : text;
}

/** Compare two keys; null comes last in both directions. */
function compareKeys(one, other, direction) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "number" ? one - other : LETTERS.compare(one, other);
  return direction === "ascending" ? order : -order;
}

/** Sort a table by one column; the sort is stable. */
function sortTable(table, head, direction) {
  const numeric = head.classList.contains("number");
  const body = table.tBodies[0];
  const keyed = Array.from(body.rows, (row) => [sortKey(row, head.cellIndex, numeric), row]);
  keyed.sort(([one], [other]) => compareKeys(one, other, direction));
  body.append(...keyed.map(([, row]) => row));
  for (const each of head.parentElement.cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
}

/** Make the heads of a table buttons: the first press sorts in the column's preferred direction, the next reverses. */
function makeSortable(table) {
  for (const head of table.tHead.rows[0].cells) {
    intoButton(head).addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      sortTable(table, head, sorted ? OTHER[sorted] : head.dataset.first || "ascending");
    });
  }
}

const SECTION_FIELDS = ["task", "corpus", "protocol", "split"];

/** The values of the filter form by field, without empty ones. */
function filterState(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim() !== ""));
}

/** Set the form to a state; values that a field does not offer are ignored. */
function setFilterState(form, state) {
  for (const field of form.elements) {
    if (!field.name) continue;
    const value = state[field.name] ?? "";
    if (field.type === "checkbox") field.checked = value === field.value;
    else if (field.type === "search") field.value = value;
    else field.value = Array.from(field.options, (option) => option.value).includes(value) ? value : "";
  }
}

/** The state in the URL fragment; null if it is an anchor or empty. */
function stateOfAddress() {
  const text = location.hash.slice(1);
  return text.includes("=") ? Object.fromEntries(new URLSearchParams(text)) : null;
}

/** Write a state into the URL fragment, so that the view can be linked; "at" is an anchor. */
function writeAddress(state) {
  const text = new URLSearchParams(state).toString();
  history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
}

/** Whether a row matches the state. */
function rowMatches(row, state, words) {
  const label = row.dataset.label.toLowerCase();
  return (
    (!state.filled || "detail" in row.dataset) &&
    (!state.reads || row.dataset.reads.split(" ").includes(state.reads)) &&
    words.every((word) => label.includes(word))
  );
}

/** Show the matching rows of a table's section, and the section if there are any; return their number. */
function filterSection(section, state, words) {
  const matches = SECTION_FIELDS.every((field) => !state[field] || section.dataset[field] === state[field]);
  let shown = 0;
  for (const row of section.querySelector("tbody").rows) {
    row.hidden = !(matches && rowMatches(row, state, words));
    shown += !row.hidden;
  }
  section.hidden = shown === 0;
  return shown;
}

/** Hide boards without a visible table, the links to them, and their rows in the summary. */
function hideEmptyBoards(filtered) {
  for (const board of document.querySelectorAll(".board[data-tables]")) {
    const sections = [...board.querySelectorAll("section.table")];
    board.hidden = sections.length === 0 ? filtered : sections.every((section) => section.hidden);
    const link = document.querySelector(`nav a[href="#${board.id}"]`);
    if (link) link.parentElement.hidden = board.hidden;
  }
  const summary = document.getElementById("summary");
  for (const row of summary.tBodies[0].rows) row.hidden = document.getElementById(row.dataset.table).hidden;
  document.getElementById("best").hidden = Array.from(summary.tBodies[0].rows).every((row) => row.hidden);
}

/** Apply the filters of the form and report the number of matches. */
function applyFilters(form) {
  const state = filterState(form);
  const words = (state.model ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const sections = [...document.querySelectorAll("section.table")];
  const shown = sections.map((section) => filterSection(section, state, words));
  hideEmptyBoards(Object.keys(state).length > 0);
  const rows = document.querySelectorAll("section.table tbody tr").length;
  const total = shown.reduce((sum, each) => sum + each, 0);
  const tables = shown.filter(Boolean).length;
  document.getElementById("count").textContent = total
    ? `${total} of ${rows} rows in ${tables} of ${sections.length} tables`
    : "No matching rows. Clear a filter to see more.";
  return state;
}

/** Scroll to an anchor and focus it for keyboard users. */
function goTo(id) {
  const place = document.getElementById(id);
  if (!place || place.hidden) return;
  place.setAttribute("tabindex", "-1");
  place.focus({ preventScroll: true });
  place.scrollIntoView();
}

/** Connect the filter form with the page and the URL fragment. */
function startFilters(form) {
  const show = () => writeAddress(applyFilters(form));
  const restore = () => {
    const state = stateOfAddress();
    if (state === null && location.hash) return goTo(decodeURIComponent(location.hash.slice(1)));
    setFilterState(form, state ?? {});
    applyFilters(form);
    if (state?.at) goTo(state.at);
  };
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  window.addEventListener("hashchange", restore);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link || link.classList.contains("skip")) return;
    event.preventDefault();
    const at = link.getAttribute("href").slice(1);
    writeAddress({ ...filterState(form), at });
    goTo(at);
  });
  applyFilters(form);
  restore();
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

/** The commands of a row's runs, and those that reproduce and compare them. */
function commandsPart(runs) {
  const again = runs.map((run) => `unimp-bench reproduce ${run.key}`);
  return part("Commands", code(runs.map((run) => run.command).join("\n")), element("p", { class: "facts" }, "To reproduce and compare:"), code(again.join("\n")));
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
    return [each.name, String(each.examples), mean === null ? "too few" : number(mean)];
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

function quotedPart(detail) {
  const lines = detail.quoted.map((each) => {
    const cells = Object.entries(each.metrics).map(([name, value]) => `${name} ${number(value)}`);
    return `${each.source}, ${each.system}${each.differs ? ` (${each.differs})` : ""}: ${cells.join(", ")}`;
  });
  return part("Reported in papers", ...bullets(lines));
}

/** The details of a row, as children of the dialog. */
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

/** Open the details of a row; closing them returns the focus to the row's button. */
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

/** Make rows with results open their details, by the button or a click anywhere in the row. */
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

document.querySelectorAll("main table").forEach(makeSortable);
startDetails(document.getElementById("details"), JSON.parse(document.getElementById("data").textContent));
startFilters(document.getElementById("filters"));

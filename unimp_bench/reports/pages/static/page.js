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

/** Text without spelling: "S³-Rec", "S3 rec" and "s3rec" are one. */
function folded(text) {
  return text.normalize("NFKD").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
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

/** What the address holds besides the filters: the sorted column, the open row and the one that it is compared with. */
const place = {};

/** The heads of the columns; a matrix has those of groups above them. */
function headsOf(table) {
  return [...table.tHead.rows[table.tHead.rows.length - 1].cells];
}

function nameOf(head) {
  return head.dataset.name ?? head.firstChild.textContent.trim();
}

/** Sort a table by one column; the sort is stable. */
function sortTable(table, head, direction) {
  const numeric = head.classList.contains("number");
  const body = table.tBodies[0];
  const keyed = Array.from(body.rows, (row) => [sortKey(row, head.cellIndex, numeric), row]);
  keyed.sort(([one], [other]) => compareKeys(one, other, direction));
  body.append(...keyed.map(([, row]) => row));
  for (const each of headsOf(table)) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
}

/** Make the heads of a table buttons: the first press sorts in the column's preferred direction, the next reverses. */
function makeSortable(table) {
  for (const head of headsOf(table)) {
    if (head.tagName !== "TH") continue;
    const name = nameOf(head);
    intoButton(head).addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      const direction = sorted ? OTHER[sorted] : head.dataset.first || "ascending";
      sortTable(table, head, direction);
      const section = table.closest("section[id]");
      if (section) place.sort = [section.id, name, direction].join("|");
      showAddress();
    });
  }
}

/** Sort as the address says: "section|column|direction". */
function restoreSort(text) {
  const [id, name, direction] = (text ?? "").split("|");
  const table = id && document.querySelector(`#${CSS.escape(id)} table`);
  const head = table && headsOf(table).find((each) => nameOf(each.querySelector("button") ? unwrapped(each) : each) === name);
  if (!head || !(direction in OTHER)) return;
  sortTable(table, head, direction);
  place.sort = text;
}

/** A head or the button that holds its children, with the name of the head. */
function unwrapped(head) {
  return { dataset: head.dataset, firstChild: head.querySelector("button").firstChild };
}

const SECTION_FIELDS = ["task", "corpus", "domain", "protocol", "split"];

/** The values of the filter form that differ from those of a fresh page, by field. */
function filterState(form) {
  const state = {};
  const columns = [];
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type !== "checkbox") {
      if (field.value.trim() !== "") state[field.name] = field.value;
    } else if (field.checked !== field.defaultChecked) {
      if (field.name === "column") columns.push(field.value);
      else state[field.name] = field.checked ? "1" : "0";
    }
  }
  if (columns.length) state.columns = columns.join(",");
  return state;
}

/** Set the form to a state; values that a field does not offer are ignored. */
function setFilterState(form, state) {
  const columns = (state.columns ?? "").split(",");
  for (const field of form.elements) {
    if (!field.name) continue;
    const value = state[field.name] ?? "";
    if (field.name === "column") field.checked = field.defaultChecked !== columns.includes(field.value);
    else if (field.type === "checkbox") field.checked = value === "" ? field.defaultChecked : value === "1";
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

/** Write the filters, the sort and the open row. */
function showAddress(more = {}) {
  writeAddress({ ...filterState(document.getElementById("filters")), ...place, ...more });
}

/** What a search may find of a row: label, registered name, marks and flags, folded. */
function textOf(row) {
  row.found ??= folded([row.dataset.label, row.dataset.model ?? "", row.cells[0].textContent].join(" "));
  return row.found;
}

/** Whether a row matches the state. */
function rowMatches(row, state, words) {
  return (
    (state.empty === "1" || "detail" in row.dataset) &&
    (!state.reads || row.dataset.reads.split(" ").includes(state.reads)) &&
    words.every((word) => textOf(row).includes(word))
  );
}

function sectionMatches(section, state) {
  const data = section.dataset;
  return (state.real === "0" || data.real) && SECTION_FIELDS.every((field) => !state[field] || data[field] === state[field]);
}

/** Show the matching rows of a table's section, and the section if there are any; return their number. */
function filterSection(section, state, words) {
  const matches = sectionMatches(section, state);
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
  for (const group of document.querySelectorAll("nav dl > div")) {
    group.hidden = [...group.querySelectorAll("li")].every((entry) => entry.hidden);
  }
  const rows = [...document.getElementById("summary").tBodies[0].rows];
  for (const row of rows) row.hidden = document.getElementById(row.dataset.table).hidden;
  document.getElementById("best").hidden = rows.every((row) => row.hidden);
}

/** Show the columns of the matrix whose table matches, and the systems with a place in one of them. */
function filterMatrix(state, words) {
  const board = document.getElementById("matrix");
  const table = board.querySelector("table");
  const heads = headsOf(table);
  const shown = heads.map((head, at) => at === 0 || Boolean(sectionMatches(document.getElementById(head.dataset.table), state)));
  heads.forEach((head, at) => (head.hidden = !shown[at]));
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, at) => (cell.hidden = !shown[at]));
    const has = [...row.cells].some((cell, at) => at > 0 && shown[at] && cell.dataset.key);
    row.hidden = !has || !words.every((word) => textOf(row).includes(word));
  }
  let at = 1;
  for (const group of table.querySelectorAll("thead [scope=colgroup]")) {
    group.dataset.width ??= group.colSpan;
    const width = Number(group.dataset.width);
    const left = shown.slice(at, at + width).filter(Boolean).length;
    group.hidden = left === 0;
    if (left) group.colSpan = left;
    at += width;
  }
  board.hidden = !shown.slice(1).some(Boolean) || [...table.tBodies[0].rows].every((row) => row.hidden);
}

/** Show the chosen columns of all tables; those that are no choice are always shown. */
function showColumns(form) {
  const chosen = new Map([...form.querySelectorAll("[name=column]")].map((box) => [box.value, box.checked]));
  const key = JSON.stringify([...chosen]);
  if (form.dataset.columns === key) return;
  form.dataset.columns = key;
  for (const table of document.querySelectorAll("section.table table")) {
    const hidden = headsOf(table).map((head) => chosen.get(head.dataset.name) === false);
    for (const row of table.rows) [...row.cells].forEach((cell, at) => (cell.hidden = hidden[at]));
  }
}

/** Apply the filters of the form and report the number of matches. */
function applyFilters(form) {
  const state = filterState(form);
  const words = (state.model ?? "").split(/\s+/).map(folded).filter(Boolean);
  const sections = [...document.querySelectorAll("section.table")];
  const shown = sections.map((section) => filterSection(section, state, words));
  hideEmptyBoards(Object.keys(state).length > 0);
  filterMatrix(state, words);
  showColumns(form);
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
  const target = document.getElementById(id);
  if (!target || target.hidden) return;
  target.setAttribute("tabindex", "-1");
  target.focus({ preventScroll: true });
  target.scrollIntoView(target.tagName === "TR" ? { block: "center" } : {});
}

/** Connect the filter form with the page and the URL fragment; "openRow" shows the details of a row by its id. */
function startFilters(form, openRow) {
  const show = () => {
    applyFilters(form);
    showAddress();
  };
  const restore = () => {
    const state = stateOfAddress();
    if (state === null && location.hash) return goTo(decodeURIComponent(location.hash.slice(1)));
    setFilterState(form, state ?? {});
    applyFilters(form);
    restoreSort(state?.sort);
    if (state?.at) goTo(state.at);
    if (state?.row) openRow(state.row, state.with);
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
    showAddress({ at });
    goTo(at);
  });
  applyFilters(form);
  restore();
}

/** One value of a CSV file; text that a spreadsheet would take for a formula is quoted. */
function csvValue(text) {
  const safe = /^[=+@-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The visible rows and columns of a table as CSV, numbers in full. */
function csvOf(table) {
  const heads = headsOf(table).filter((head) => !head.hidden);
  const lines = [heads.map((head) => nameOf(head.querySelector("button") ? unwrapped(head) : head))];
  for (const row of table.tBodies[0].rows) {
    if (!row.hidden) lines.push(heads.map((head) => row.cells[head.cellIndex].dataset.key ?? row.cells[head.cellIndex].textContent.trim()));
  }
  return lines.map((line) => line.map(csvValue).join(",")).join("\r\n") + "\r\n";
}

/** Give each table a link that saves it. */
function startDownloads() {
  for (const section of document.querySelectorAll("section.table")) {
    const link = element("a", { href: "data:,", download: `${section.id}.csv` }, "Save as CSV");
    link.addEventListener("click", () => (link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(csvOf(section.querySelector("table")))}`));
    section.querySelector(".scroll").after(element("p", { class: "facts tools" }, link));
  }
}

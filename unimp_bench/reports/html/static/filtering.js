const SECTION_FIELDS = ["task", "corpus", "protocol", "split"];

/** What the filter's form says, by field; fields that say nothing are left out. */
function filterState(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim() !== ""));
}

/** Sets the form to a state; a value that a field does not offer is left out. */
function setFilterState(form, state) {
  for (const field of form.elements) {
    if (!field.name) continue;
    const value = state[field.name] ?? "";
    if (field.type === "checkbox") field.checked = value === field.value;
    else if (field.type === "search") field.value = value;
    else field.value = Array.from(field.options, (option) => option.value).includes(value) ? value : "";
  }
}

/** The state that the address holds, or null where it names a place of the page or nothing. */
function stateOfAddress() {
  const text = location.hash.slice(1);
  return text.includes("=") ? Object.fromEntries(new URLSearchParams(text)) : null;
}

/** Writes a state into the address, so that the view can be linked; "at" names a place of the page. */
function writeAddress(state) {
  const text = new URLSearchParams(state).toString();
  history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
}

/** Whether a row is what the state asks for. */
function rowFits(row, state, words) {
  const label = row.dataset.label.toLowerCase();
  return (
    (!state.filled || "detail" in row.dataset) &&
    (!state.reads || row.dataset.reads.split(" ").includes(state.reads)) &&
    words.every((word) => label.includes(word))
  );
}

/** Shows the rows of a table's section that fit, and the section where there are any; gives their number. */
function filterSection(section, state, words) {
  const asked = SECTION_FIELDS.every((field) => !state[field] || section.dataset[field] === state[field]);
  let shown = 0;
  for (const row of section.querySelector("tbody").rows) {
    row.hidden = !(asked && rowFits(row, state, words));
    shown += !row.hidden;
  }
  section.hidden = shown === 0;
  return shown;
}

/** Hides boards without a shown table, the links to them, and the lines of the summary; an empty board has no rows. */
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

/** Shows what the form asks for, and says how much that is. */
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
    : "No row is like that. Clear a filter to see more.";
  return state;
}

/** Shows a place of the page, and puts the focus there for who reads on by keyboard. */
function goTo(id) {
  const place = document.getElementById(id);
  if (!place || place.hidden) return;
  place.setAttribute("tabindex", "-1");
  place.focus({ preventScroll: true });
  place.scrollIntoView();
}

/** Makes the form work: what it asks for is shown, stands in the address, and comes back from there. */
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

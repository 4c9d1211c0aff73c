const LETTERS = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const OTHER = { ascending: "descending", descending: "ascending" };

/** What a row is sorted by in a column; null where the cell is empty. */
function sortKey(row, column, numeric) {
  const cell = row.cells[column];
  const text = cell.dataset.key ?? cell.textContent.trim();
  if (text === "") return null;
  return numeric ? Number(text) : text;
}

/** Orders two keys; empty ones come last in either direction. */
function compareKeys(one, other, direction) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "number" ? one - other : LETTERS.compare(one, other);
  return direction === "ascending" ? order : -order;
}

/** Sorts a table by one column; rows with equal keys stay as they are. */
function sortTable(table, head, direction) {
  const numeric = head.classList.contains("number");
  const body = table.tBodies[0];
  const keyed = Array.from(body.rows, (row) => [sortKey(row, head.cellIndex, numeric), row]);
  keyed.sort(([one], [other]) => compareKeys(one, other, direction));
  body.append(...keyed.map(([, row]) => row));
  for (const each of head.parentElement.cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
}

/** Gives every head of a table a button: the first press puts first what a reader wants first, the next turns it. */
function makeSortable(table) {
  for (const head of table.tHead.rows[0].cells) {
    intoButton(head).addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      sortTable(table, head, sorted ? OTHER[sorted] : head.dataset.first || "ascending");
    });
  }
}

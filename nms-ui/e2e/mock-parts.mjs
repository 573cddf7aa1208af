// What tests against the made-up network share.

export function must(good, words) {
  if (!good) throw new Error(words);
}

/** The texts of one column of a table's rows. */
export async function rowsOf(table, column) {
  return table.locator("tbody tr[data-row]").evaluateAll((rows, at) => rows.map((row) => row.cells[at].innerText), column);
}

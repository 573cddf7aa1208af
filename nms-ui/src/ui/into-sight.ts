/** Of a list of tabs that is wider than its window, brings the chosen one into sight: for the `ref` of the list. */
export function intoSight(list: HTMLElement | null): void {
  list?.querySelector("[data-active]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

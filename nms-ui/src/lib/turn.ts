/** Lets the browser hear its user and paint before what comes next. */
export function turn(): Promise<void> {
  return new Promise((next) => setTimeout(next, 0));
}

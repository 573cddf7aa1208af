// How the console is cut into files. What the first pages need comes in few of one size: each file costs a slow line a turn, and its
// connection begins slowly and shares the line with all others, so that the largest file is the last. React, which no version of ours
// changes, is such a file by itself, and all else that every page needs is another.

// Mantine is one module that names all others, and all that these need: what of it is needed is told by folder.
const MANTINE = /[\\/]node_modules[\\/](@mantine|@floating-ui)[\\/]/;
const MANTINE_CORE = /[\\/](@mantine[\\/](core[\\/]esm[\\/]core|hooks[\\/]esm[\\/]use-(color-scheme|did-update|hotkeys|id|isomorphic-effect|media-query|merged-ref|reduced-motion|uncontrolled)|hooks[\\/]esm[\\/]utils)|node_modules[\\/]clsx)[\\/]/;
const MANTINE_CONTROLS = /[\\/]@mantine[\\/]core[\\/]esm[\\/]components[\\/](ActionIcon|Button|CloseButton|Input|InputBase|Loader|PasswordInput|TextInput|Transition|UnstyledButton)[\\/]/;
const REACT = /[\\/]node_modules[\\/](react|react-dom|scheduler|use-sync-external-store)[\\/]/;

/** What modules need before they run, themselves among it. */
function needed(graph, roots) {
  const found = new Set();
  const look = (id) => {
    if (found.has(id)) return;
    found.add(id);
    if (MANTINE.test(id)) return;
    for (const other of graph.getModuleInfo(id)?.importedIds ?? []) look(other);
  };
  roots.forEach(look);
  return found;
}

/**
 * The group of the bundler's. `entry` is the module that loads all others; `first` are those that every page and the first one after a
 * login begin with, `door` the one before a login, `lists` those that show many rows: what they share with others is theirs to name.
 */
export function inFewFiles({ entry, first, door, lists }) {
  let known;
  const roots = new Set([entry, ...first, ...door, ...lists]);
  const name = (id, graph) => {
    if (roots.has(id) || id.endsWith(".css")) return null;
    if (REACT.test(id)) return "react";
    known ??= { entry: needed(graph, [entry]), first: needed(graph, first), door: needed(graph, door), lists: needed(graph, lists) };
    if (known.entry.has(id)) return null;
    if (MANTINE_CORE.test(id)) return "console";
    if (MANTINE_CONTROLS.test(id)) return "controls";
    if (MANTINE.test(id)) return null;
    if (known.first.has(id)) return "console";
    if (known.door.has(id)) return "controls";
    return known.lists.has(id) ? "lists" : null;
  };
  return { name, debugName: "few files" };
}

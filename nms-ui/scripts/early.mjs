// What the first page needs is named in index.html, so that a browser asks for all of it at once: the console's code and its style sheet.
// The sheet is only fetched there; it is put in force with the code, and so holds nothing up. All of it comes after the frame that
// stands in index.html, and after what the first page asks of the orchestrator.

/** Files of the bundle that a chunk needs, itself first. */
function needed(bundle, name, into = new Set()) {
  const chunk = bundle[name];
  if (into.has(name) || chunk?.type !== "chunk") return into;
  into.add(name);
  for (const other of chunk.imports) needed(bundle, other, into);
  return into;
}

/** A plugin of Vite: `module` is the end of the path of what the entry loads. */
export function early(module) {
  return {
    name: "basalt-early",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        if (!bundle) return html;
        const start = Object.values(bundle).find((it) => it.type === "chunk" && it.facadeModuleId?.endsWith(module));
        if (!start) throw new Error(`nothing loads ${module}`);
        const files = [...needed(bundle, start.fileName)];
        const sheets = files.flatMap((it) => [...(bundle[it].viteMetadata?.importedCss ?? [])]);
        const link = (attrs) => ({ tag: "link", injectTo: "head", attrs: { ...attrs, fetchpriority: "low", crossorigin: true } });
        const tags = [...files.filter((it) => !html.includes(it)).map((it) => link({ rel: "modulepreload", href: `/${it}` })), ...sheets.map((it) => link({ rel: "preload", as: "style", href: `/${it}` }))];
        return { html: html.replace('<script type="module"', '<script type="module" fetchpriority="low"'), tags };
      },
    },
  };
}

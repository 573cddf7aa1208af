import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { inFewFiles } from "./scripts/chunks.mjs";
import { early } from "./scripts/early.mjs";
import { messages } from "./scripts/messages.mjs";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [react(), messages(here("src/i18n/catalogue.json")), early("/src/app/start.tsx")],
  resolve: { alias: { "@mock": here("mock-api"), "@": here("src") } },
  build: {
    target: "es2022",
    // The orchestrator serves what is below /assets for a year: the names have hashes.
    assetsDir: "assets",
    manifest: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // Few files for the first page: each costs a slow line a turn. What only some pages need stays apart.
    rolldownOptions: {
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            inFewFiles({
              entry: here("src/main.tsx"),
              first: [here("src/app/start.tsx"), here("src/pages/overview/view.tsx")],
              door: [here("src/pages/login/view.tsx")],
              lists: [here("src/pages/gateways/view.tsx"), here("src/pages/subscribers/view.tsx")],
            }),
          ],
        },
      },
    },
  },
  // Pages of the handbook about rules are carried; the document of the interface is what the pretended orchestrator answers.
  server: { fs: { allow: [here("."), here("../docs/book/src/runbooks"), here("../openapi")] }, port: 5173, proxy: { "/api": process.env.BASALT_ORCHESTRATOR ?? "http://127.0.0.1:8480" } },
  preview: { port: 4173 },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}", "mock-api/**/*.test.ts"],
    setupFiles: ["src/test/setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "threads",
    maxWorkers: 2,
  },
});

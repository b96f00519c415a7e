import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

// In development the API comes from a running server: BIAOTU=http://127.0.0.1:8080 npm run dev
const server = process.env.BIAOTU ?? "http://127.0.0.1:8080";
const api = ["/collections", "/query", "/tiles", "/events", "/openapi.json", "/basemap.geojson"];

export default defineConfig({
  plugins: [solid()],
  server: { proxy: Object.fromEntries(api.map((path) => [path, server])) },
  build: {
    target: "es2022",
    // The strict content policy allows no inlined scripts or data: workers.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rollupOptions: {
      input: { index: "index.html", docs: "docs.html" },
      output: { manualChunks: (id) => (id.includes("maplibre-gl/") ? "maplibre" : undefined) },
    },
  },
  test: { include: ["tests/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);

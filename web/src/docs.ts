// The browsable API. RapiDoc is bundled, so that it works with no internet.
// A page of its own, so that the map never loads it.
import "rapidoc";

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const doc = document.createElement("rapi-doc");
const attributes: Record<string, string> = {
  "spec-url": "/openapi.json",
  theme: dark ? "dark" : "light",
  "bg-color": dark ? "#12161c" : "#ffffff",
  "text-color": dark ? "#e8ecf1" : "#1a222c",
  "primary-color": dark ? "#6ea8ff" : "#1d5fc4",
  "regular-font": 'system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
  "mono-font": 'ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace',
  "load-fonts": "false",
  "render-style": "read",
  "show-header": "false",
  "allow-spec-url-load": "false",
  "allow-spec-file-load": "false",
  "allow-authentication": "false",
  "allow-server-selection": "false",
  "schema-style": "table",
  "font-size": "large",
};
for (const [name, value] of Object.entries(attributes)) doc.setAttribute(name, value);
document.body.style.margin = "0";
document.body.append(doc);

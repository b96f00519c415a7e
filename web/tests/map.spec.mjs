// The map page in a real browser against a running server:
//   BASE_URL=http://127.0.0.1:8080 npm run test:browser
// The server must hold the demo county. One feature is changed and changed back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const BASE = (process.env.BASE_URL ?? "http://127.0.0.1:8080").replace(/\/$/, "");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const WAIT = 30_000;

let browser;
let page;
let collections;
const faults = [];

const json = async (path, init) => {
  const response = await fetch(BASE + path, init);
  assert.ok(response.ok, `${init?.method ?? "GET"} ${path}: ${response.status} ${response.ok ? "" : await response.text()}`);
  return response.json();
};
const middle = () => {
  const box = collections.find((c) => c.id === "shelter").extent.spatial.bbox[0];
  const half = box.length / 2;
  return [(box[0] + box[half]) / 2, (box[1] + box[half + 1]) / 2];
};
const mapReady = () => page.waitForFunction(() => window.biaotuMap?.loaded() && window.biaotuMap.areTilesLoaded(), null, { timeout: WAIT });
/** A place on screen where a click asks, because no symbol is there. */
const emptySpot = () =>
  page.evaluate(() => {
    const map = window.biaotuMap;
    const layers = map.getStyle().layers.map((l) => l.id).filter((id) => /^data:[^:]+:(symbol|dot|line)$/.test(id));
    const { clientWidth: w, clientHeight: h } = map.getContainer();
    for (let radius = 0; radius < 200; radius += 10)
      for (let turn = 0; turn < 12; turn++) {
        const x = w / 2 + radius * Math.cos(turn / 1.9);
        const y = h / 2 + radius * Math.sin(turn / 1.9);
        if (!map.queryRenderedFeatures([[x - 14, y - 14], [x + 14, y + 14]], { layers }).length) return { x, y };
      }
    return { x: w / 2, y: h / 2 };
  });

before(async () => {
  collections = (await json("/collections", { headers: { accept: "application/json" } })).collections;
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: "zh-CN" });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith("http") && origin !== new URL(BASE).origin) faults.push(`a request left the server: ${request.url()}`);
  });
  page.on("console", (message) => {
    // A failed request is told of here too.
    if (message.type() === "error" || /Content Security Policy/.test(message.text())) faults.push(message.text());
  });
});
after(() => browser?.close());

test("the page loads, lists every layer and is live", { timeout: 60_000 }, async () => {
  await page.goto(`${BASE}/?lang=zh&theme=light`);
  await page.waitForSelector(".layers [data-layer]", { timeout: WAIT });
  const listed = await page.$$eval(".layers [data-layer]", (rows) => rows.map((row) => row.dataset.layer));
  assert.deepEqual(listed.sort(), collections.filter((c) => c.definition).map((c) => c.id).sort());
  const { definition } = collections.find((c) => c.id === "shelter");
  assert.match(await page.textContent('[data-layer="shelter"]'), new RegExp(definition.name.zh));
  await mapReady();
  await page.waitForSelector('[data-connection="live"]', { timeout: WAIT });
  assert.match(await page.textContent(".fictional"), /虚构/);
});

test("a click gives the answer: responsible, shelters with distances, stock", { timeout: 60_000 }, async () => {
  const spot = await emptySpot();
  await page.mouse.click(spot.x, spot.y);
  await page.waitForSelector(".answer .nearest .row", { timeout: WAIT });
  await page.waitForSelector(".answer .responsible", { timeout: WAIT });
  await page.waitForSelector(".answer .stock", { timeout: WAIT });
  const rows = await page.$$eval(".answer .nearest > ul:first-of-type .row", (found) =>
    found.map((row) => ({ name: row.querySelector(".row-name").textContent, distance: row.querySelector(".row-distance").textContent })),
  );
  assert.ok(rows.length >= 1 && rows.length <= 5, `${rows.length} shelters`);
  for (const row of rows) assert.match(row.distance, /\d.*(m|km)|位于其中/, row.name);
  assert.match(await page.textContent(".answer .nearest"), /直线距离/);
  assert.match(await page.textContent(".answer .basis"), /seq \d+/);

  // What is shown is what the server answers for the very place in the address bar.
  const place = /[#&]p=([-\d.]+,[-\d.]+)/.exec(page.url())?.[1];
  assert.ok(place, "the permalink holds the place");
  const answer = await json(`/query/nearest?layer=shelter&point=${place}&k=5`);
  assert.deepEqual(rows.map((row) => row.name), answer.features.map((f) => f.properties.name ?? f.properties.code));
});

test("a symbol that is clicked shows its attributes", { timeout: 60_000 }, async () => {
  await page.click(".answer .nearest .row .row-main");
  await page.waitForSelector(".feature .attributes > div", { timeout: WAIT });
  assert.match(await page.textContent(".feature .attributes"), /容量|状态|Capacity/);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".answer", { timeout: WAIT });
});

test("the language and the theme switch and stay", { timeout: 60_000 }, async () => {
  await page.click(".tools .lang");
  await page.waitForSelector("html[lang=en]");
  const { definition } = collections.find((c) => c.id === "shelter");
  assert.match(await page.textContent('[data-layer="shelter"]'), new RegExp(definition.name.en));
  assert.match(await page.textContent(".answer .nearest"), /straight line/);
  await page.click(".tools .lang + .icon");
  await page.waitForSelector("html[data-theme=dark]");
  assert.deepEqual(await page.evaluate(() => [localStorage.getItem("biaotu.lang"), localStorage.getItem("biaotu.theme")]), ["en", "dark"]);
});

test("a change made elsewhere appears by itself", { timeout: 60_000 }, async () => {
  const place = middle().join(",");
  await page.goto(`${BASE}/?lang=zh&theme=light#p=${place}&r=10000`);
  await page.reload();
  await page.waitForSelector(".answer .nearest .row", { timeout: WAIT });
  await page.waitForSelector('[data-connection="live"]', { timeout: WAIT });
  const [first] = (await json(`/query/nearest?layer=shelter&point=${place}&k=1`)).features;
  const path = `/collections/shelter/items/${first.id}`;
  const rename = (name) =>
    json(path, { method: "PATCH", headers: { "content-type": "application/merge-patch+json" }, body: JSON.stringify({ properties: { name } }) });
  const name = first.properties.name;
  const shown = (text) =>
    page.waitForFunction((wanted) => document.querySelector(".answer .nearest .row .row-name")?.textContent === wanted, text, { timeout: 5000 });
  await shown(name);
  try {
    await rename(`${name} *`);
    await shown(`${name} *`);
    assert.match(await page.textContent(".status"), /seq \d+/);
  } finally {
    await rename(name);
  }
  await shown(name);
});

test("the keyboard searches a coordinate, closes and hides", { timeout: 60_000 }, async () => {
  await page.keyboard.press("Escape");
  await page.waitForSelector(".answer", { state: "detached" });
  await page.keyboard.press("l");
  await page.waitForSelector(".layers", { state: "detached" });
  await page.keyboard.press("/");
  await page.keyboard.type(middle().map((n) => n.toFixed(5)).join(","));
  await page.keyboard.press("Enter");
  await page.waitForSelector(".answer .nearest .row", { timeout: WAIT });
  await page.keyboard.press("l");
  await page.waitForSelector(".layers");
});

test("a register shows how far it has got, campaigns apart, worst first", { timeout: 60_000 }, async () => {
  await page.goto(`${BASE}/?lang=zh&theme=light`);
  await page.reload();
  await page.click('[data-layer="hidden_danger"] [title="清单与进度"]', { timeout: WAIT });
  await page.waitForSelector(".progress tbody tr", { timeout: WAIT });
  const { groups } = await json("/query/stats?layer=hidden_danger&by=grid");
  const sections = await page.$$eval(".progress section", (all) =>
    all.map((one) => ({
      name: one.querySelector("h3").textContent,
      rate: one.querySelector(".rate strong").textContent,
      overdue: [...one.querySelectorAll("tbody tr td:nth-of-type(2)")].map((cell) => Number(cell.textContent)),
      first: one.querySelector("tbody th").textContent,
    })),
  );
  for (const { name, rate, overdue, first } of sections) {
    const own = groups.filter((group) => group.by.campaign === name);
    const sum = (key) => own.reduce((total, group) => total + group[key], 0);
    assert.equal(rate, `${((100 * sum("done")) / sum("count")).toFixed(2)} %`);
    assert.deepEqual(overdue, own.map((group) => group.overdue).sort((a, b) => b - a));
    assert.match(first, /村|镇|乡/, "areas by name, not by code");
  }
  assert.deepEqual(sections.map(({ name }) => name).sort(), [...new Set(groups.map((group) => group.by.campaign))].sort());
  await page.selectOption(".progress select", "grade");
  await page.waitForFunction(() => document.querySelector(".progress tbody")?.textContent.includes("一般隐患"), null, { timeout: WAIT });
  assert.match(page.url(), /g=hidden_danger/);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".progress", { state: "detached" });
});

test("nothing failed on the page and nothing left the server", () => assert.deepEqual(faults, []));

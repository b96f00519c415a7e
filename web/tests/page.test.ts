import { describe, expect, it } from "vitest";
import type { Definition, Feature } from "../src/api";
import { colorOf, reasonsOf } from "../src/definitions";
import { bearing, bounds, formatDistance, formatPlace, formatRadius, formatTime, formatValue, freePlaces, labelPlace, ring, stockRows } from "../src/format";
import { strings, translate } from "../src/i18n";
import { hasIcon, iconName } from "../src/map/icons";
import { buildStyle, isClickable, layerOf } from "../src/map/style";
import { formatPermalink, parseCoordinate, parsePermalink } from "../src/permalink";

const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

describe("texts", () => {
  it("are there in both languages with the same placeholders", () => {
    for (const [key, [zh, en]] of Object.entries(strings)) {
      expect(zh.trim(), key).not.toBe("");
      expect(en.trim(), key).not.toBe("");
      expect(placeholders(en), key).toEqual(placeholders(zh));
    }
  });
  it("have Chinese in the Chinese column where they are words", () => {
    const same = ["language", "language_title"];
    for (const [key, [zh, en]] of Object.entries(strings)) {
      if (!same.includes(key) && /[a-z]{3}/i.test(en.replace(/\{\w+\}/g, ""))) expect(zh, key).toMatch(/[\u4e00-\u9fff]/);
    }
  });
  it("fill placeholders and leave unknown ones visible", () => {
    expect(translate("en", "excluded", { n: 3 })).toBe("3 left out");
    expect(translate("zh", "excluded", { n: 3 })).toBe("已排除 3 处");
    expect(translate("en", "excluded")).toContain("{n}");
  });
});

describe("permalink", () => {
  it("comes back as it went", () => {
    const link = {
      camera: { zoom: 11.25, lat: 28.6, lon: 113.9 },
      point: { lon: 113.912345, lat: 28.654321 },
      radius: 5000,
      hazard: "chemical_leak",
      feature: { layer: "shelter", id: "0199aaaa-7000-8000-9000-000000000001" },
      register: "hidden_danger",
    };
    expect(parsePermalink(formatPermalink(link))).toEqual(link);
  });
  it("leaves out what it can't read", () => {
    expect(parsePermalink("")).toEqual({});
    expect(parsePermalink("#map=a/b/c&p=200,28&r=-5&f=shelter")).toEqual({});
    expect(parsePermalink("#map=11/95/113&p=113.9")).toEqual({});
  });
});

describe("coordinates as people type them", () => {
  it.each([
    ["113.9,28.6", 113.9, 28.6],
    ["113.9 28.6", 113.9, 28.6],
    [" 113.9,28.6 ", 113.9, 28.6],
    ["28.6,113.9", 113.9, 28.6],
    ["28.6N 113.9E", 113.9, 28.6],
    ["东经113.9°,北纬28.6°", 113.9, 28.6],
    ["-70.5,-33.4", -70.5, -33.4],
    ["33.4S, 70.5W", -70.5, -33.4],
  ])("%s", (text, lon, lat) => expect(parseCoordinate(text)).toEqual({ lon, lat }));
  it.each(["", "113.9", "青石镇", "SH-001", "200,100", "1,2,3", "113.9E", "12a,13"])("%s is none", (text) => expect(parseCoordinate(text)).toBeUndefined());
});

describe("answers", () => {
  it("never show an unknown distance as 0", () => {
    expect(formatDistance(null, "zh")).toBe("—");
    expect(formatDistance(undefined, "zh")).toBe("—");
    expect(formatDistance(Number.NaN, "zh")).toBe("—");
    expect(formatDistance(0, "zh")).toBe("0 m");
  });
  it("show distances at a useful precision", () => {
    expect(formatDistance(87.4, "en")).toBe("87 m");
    expect(formatDistance(999.6, "en")).toBe("1 km");
    expect(formatDistance(1239, "en")).toBe("1.24 km");
    expect(formatDistance(12_345, "en")).toBe("12.3 km");
    expect(formatDistance(123_456, "en")).toBe("123 km");
    expect(formatRadius(500)).toBe("500 m");
    expect(formatRadius(20_000)).toBe("20 km");
  });
  it("never have fewer than no free places, and don't guess a capacity", () => {
    expect(freePlaces(500, 180)).toBe(320);
    expect(freePlaces(500, 600)).toBe(0);
    expect(freePlaces(500, undefined)).toBe(500);
    expect(freePlaces(undefined, 10)).toBeUndefined();
  });
  it("keep units apart", () => {
    const rows = stockRows({ sand: { "m³": { free: 1100, on_hand: 1400, reserved: 300 }, t: { free: 5, on_hand: 5, reserved: 0 } } });
    expect(rows).toEqual([
      { item: "sand", unit: "m³", free: 1100, on_hand: 1400, reserved: 300 },
      { item: "sand", unit: "t", free: 5, on_hand: 5, reserved: 0 },
    ]);
    expect(stockRows(undefined)).toEqual([]);
  });
  it("read reasons however they are written", () => {
    expect(reasonsOf("closed,full")).toEqual(["closed", "full"]);
    expect(reasonsOf(["unsafe"])).toEqual(["unsafe"]);
    expect(reasonsOf(undefined)).toEqual([]);
  });
  it("show values with names and units", () => {
    const state = { key: "state", name: { zh: "状态", en: "State" }, type: "enum" as const, values: [{ value: "open", zh: "开放", en: "Open" }] };
    expect(formatValue(state, "open", "zh")).toBe("开放");
    expect(formatValue(state, "novel", "en")).toBe("novel");
    expect(formatValue({ key: "n", name: { zh: "容量", en: "Capacity" }, type: "integer", unit: "人" }, 1200, "zh")).toBe("1,200 人");
    expect(formatValue({ key: "b", name: { zh: "已核实", en: "Verified" }, type: "boolean" }, false, "en")).toBe("No");
    expect(formatValue(state, null, "zh")).toBe("—");
  });
  it("tell times with seconds", () => {
    expect(formatTime(new Date(2026, 10, 24, 14, 3, 22), "zh")).toBe("14:03:22");
    expect(formatTime(undefined, "zh")).toBe("—");
    expect(formatTime("no time", "en")).toBe("—");
  });
  it("say which way", () => {
    const here = { lon: 113.9, lat: 28.6 };
    expect(bearing(here, { lon: 113.9, lat: 28.7 }, "zh")).toBe("北");
    expect(bearing(here, { lon: 114.0, lat: 28.7 }, "en")).toBe("NE");
    expect(bearing(here, { lon: 113.8, lat: 28.6 }, "en")).toBe("W");
    expect(formatPlace(here)).toBe("113.90000, 28.60000");
  });
  it("draw a ring of the asked radius", () => {
    const points = ring({ lon: 113.9, lat: 28.6 }, 10_000, 8);
    expect(points).toHaveLength(9);
    expect(points[0]![1] - 28.6).toBeCloseTo(10_000 / 111_195, 5);
    expect(bounds({ type: "LineString", coordinates: points })![2]).toBeCloseTo(114.0024, 3);
    expect(bounds(null)).toBeUndefined();
  });
});

describe("a label", () => {
  it("lies inside an area that bends around its own middle", () => {
    const horseshoe = [[0, 0], [9, 0], [9, 9], [8, 9], [8, 1], [2, 1], [2, 9], [0, 9], [0, 0]];
    const place = labelPlace({ type: "Polygon", coordinates: [horseshoe] })!;
    expect(place.lon).toBeCloseTo(1);
    expect(labelPlace({ type: "MultiPolygon", coordinates: [[horseshoe], [[[20, 0], [50, 0], [50, 9], [20, 9], [20, 0]]]] })!.lon).toBeCloseTo(35);
  });
});

const shelter: Definition = {
  id: "shelter",
  name: { zh: "避难场所", en: "Shelters" },
  group: "resource",
  geometry: "point",
  symbol: { icon: "shelter", color: "#1b7f3b", color_by: "state", min_zoom: 0 },
  fields: [
    { key: "state", name: { zh: "状态", en: "State" }, type: "enum", role: "state", values: [{ value: "open", zh: "开放", en: "Open", color: "#00aa00" }, { value: "closed", zh: "关闭", en: "Closed" }] },
    { key: "capacity", name: { zh: "容量", en: "Capacity" }, type: "integer", role: "capacity" },
    { key: "occupied", name: { zh: "已安置", en: "Occupied" }, type: "integer", role: "occupied" },
  ],
};

describe("the map's style", () => {
  const style = buildStyle({ collections: [{ id: "shelter", definition: shelter }], theme: "light", hidden: new Set(), origin: "http://x" });
  it("stays offline", () => {
    expect(style).not.toHaveProperty("glyphs");
    expect(style).not.toHaveProperty("sprite");
    expect(JSON.stringify(style.sources)).not.toMatch(/https?:\/\/(?!x\/)/);
  });
  it("has the same layers in both themes, so that a theme is only a change of colours", () => {
    const dark = buildStyle({ collections: [{ id: "shelter", definition: shelter }], theme: "dark", hidden: new Set(["shelter"]), origin: "http://x" });
    expect(dark.layers.map((layer) => layer.id)).toEqual(style.layers.map((layer) => layer.id));
    expect(dark.layers.find((layer) => layer.id === "data:shelter:symbol")!.layout!.visibility).toBe("none");
  });
  it("draws each layer from its own tiles", () => {
    expect(style.sources["data:shelter"]).toMatchObject({ tiles: ["http://x/tiles/shelter/{z}/{x}/{y}"] });
    expect(layerOf("data:shelter:symbol")).toBe("shelter");
    expect(isClickable("data:shelter:symbol")).toBe(true);
    expect(isClickable("data:grid:fill")).toBe(false);
  });
  it("takes the legend's colours", () => {
    const feature = { properties: { state: "open" } } as unknown as Feature;
    expect(colorOf(shelter, feature.properties)).toBe("#00aa00");
    expect(colorOf(shelter, { state: "closed" })).toBe("#1b7f3b");
  });
  it("knows a symbol for whatever is asked", () => {
    expect(hasIcon("shelter")).toBe(true);
    expect(iconName("fire-station")).toBe("fire_station");
    expect(iconName("supply_depot")).toBe("depot");
    expect(iconName("nobody knows")).toBe("dot");
  });
});

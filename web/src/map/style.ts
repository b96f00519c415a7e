// The map's style, derived from the layers' definitions, the theme and the language. Offline: no glyphs, no sprite, no address elsewhere.

import type { ExpressionSpecification, LayerSpecification, SourceSpecification, StyleSpecification } from "maplibre-gl";
import type { Collection, Definition, Field } from "../api";
import { fieldOf, hasRole, isDense, isDrawn } from "../definitions";
import { hasIcon, iconName } from "./icons";

export type Theme = "light" | "dark";

export const FONT = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"];
// The first name matters only for its word: the map takes the weight from it.
export const FONT_BOLD = ["Bold", ...FONT];

const PALETTE = {
  light: {
    land: "#f3f1ea", water: "#c3d9e6", waterLine: "#a6c6d8", waterText: "#3d6b86", minor: "#ffffff", minorCase: "#dcd7cb",
    road: "#ffffff", roadCase: "#cdc6b6", roadText: "#6c6656", boundary: "#8f7fa3", area: "#e4ebd6", place: "#39424d",
    halo: "rgba(250,249,245,0.92)", graticule: "#dcd8cc", text: "#1c2530", ring: "#1d5fc4", mask: "#1d5fc4", gridText: "#5d5470",
  },
  dark: {
    land: "#171c22", water: "#1c3d54", waterLine: "#2b5673", waterText: "#8fc0de", minor: "#2a313a", minorCase: "#1d232a",
    road: "#353e49", roadCase: "#20262e", roadText: "#98a3b0", boundary: "#8878a3", area: "#1b2620", place: "#c9d2dc",
    halo: "rgba(18,23,29,0.92)", graticule: "#252c35", text: "#e9eef4", ring: "#7fb2ff", mask: "#7fb2ff", gridText: "#b3a6cc",
  },
} as const;

type Expression = ExpressionSpecification;
const zoomed = (...stops: (number | Expression)[]): Expression => ["interpolate", ["linear"], ["zoom"], ...stops] as unknown as Expression;

function match(field: Field | undefined, pick: (value: string, color?: string) => string | undefined, otherwise: string): Expression | string {
  const cases = (field?.values ?? []).flatMap((value) => {
    const output = pick(value.value, value.color);
    return output === undefined ? [] : [value.value, output];
  });
  return cases.length ? (["match", ["to-string", ["get", field!.key]], ...cases, otherwise] as unknown as Expression) : otherwise;
}

/** The colour of a layer's features as an expression over the tiles' tags. */
export function colorExpression(definition: Definition): Expression | string {
  const field = definition.fields.find((candidate) => candidate.key === definition.symbol.color_by);
  return match(field, (_, color) => color, definition.symbol.color);
}

/** A facility that is a hospital wears the hospital's symbol: a kind named like a symbol is drawn with it. */
function iconExpression(definition: Definition): Expression | string {
  return match(fieldOf(definition, "kind"), (value) => (hasIcon(value) ? value : undefined), iconName(definition.symbol.icon));
}

const label: Expression = ["coalesce", ["get", "name"], ["get", "code"], ""];

function rank(definition: Definition): number {
  if (hasRole(definition, "grid")) return 0;
  if (hasRole(definition, "danger_area")) return 1;
  if (definition.geometry === "polygon") return 2;
  if (isDense(definition)) return 3;
  if (definition.geometry === "line") return 4;
  if (hasRole(definition, "incident")) return 9;
  if (fieldOf(definition, "occupied")) return 7;
  return 5;
}

export const dataSource = (layer: string) => `data:${layer}`;
/** Which layer a style layer shows: `data:shelter:symbol`. */
export const layerOf = (styleLayer: string): string | undefined => /^data:([^:]+):/.exec(styleLayer)?.[1];
export const isClickable = (styleLayer: string): boolean => /^data:[^:]+:(symbol|dot|line)$/.test(styleLayer);

/**
 * Areas are cut at tile borders, so labels from tiles would repeat. Where they are few enough to be read whole,
 * each gets one label from a source of its own.
 */
export const labelSource = (layer: string) => `label:${layer}`;
export const LABELS = 1000;
export const labelsApart = ({ definition, itemCount }: Collection): boolean =>
  (definition.geometry === "polygon" || definition.geometry === "any") && (itemCount ?? 0) <= LABELS;

function dataLayers(collection: Collection, theme: Theme, visible: boolean): LayerSpecification[] {
  const { definition } = collection;
  const c = PALETTE[theme];
  const source = dataSource(definition.id);
  const color = colorExpression(definition);
  const grid = hasRole(definition, "grid");
  const danger = hasRole(definition, "danger_area");
  const incident = hasRole(definition, "incident");
  const minzoom = definition.symbol.min_zoom;
  const visibility = visible ? ("visible" as const) : ("none" as const);
  const common = { source, "source-layer": definition.id, minzoom };
  const layers: LayerSpecification[] = [];
  const areas = definition.geometry === "polygon" || definition.geometry === "any";
  const is = (kind: "Point" | "LineString" | "Polygon"): Expression => ["==", ["geometry-type"], kind] as unknown as Expression;

  if (areas && !grid) {
    layers.push({
      ...common, id: `${source}:fill`, type: "fill", filter: is("Polygon"), layout: { visibility },
      paint: { "fill-color": color, "fill-opacity": theme === "dark" ? 0.22 : 0.16 },
    });
    if (danger) {
      layers.push({
        ...common, id: `${source}:hatch`, type: "fill", filter: is("Polygon"), layout: { visibility },
        paint: { "fill-pattern": ["concat", "hatch|", color] as Expression, "fill-opacity": 0.75 },
      });
    }
  }
  if (areas) {
    const level = fieldOf(definition, "grid_level");
    const width: Expression | number = level ? (["match", ["to-number", ["get", level.key], 3], 1, 2.4, 2, 1.6, 1] as Expression) : 2;
    layers.push({
      ...common, id: `${source}:outline`, type: "line", filter: is("Polygon"), layout: { visibility, "line-join": "round" },
      paint: {
        "line-color": grid ? c.boundary : color,
        "line-width": width,
        "line-opacity": grid ? 0.7 : 0.95,
        ...(grid ? { "line-dasharray": [4, 2.5] } : {}),
      },
    });
    // The levels of a grid take turns: each is named at the zoom where its cells fill a part of the screen.
    const ofLevel = (test: Expression): Expression => ["case", test, label, ""] as unknown as Expression;
    const number: Expression = ["to-number", ["get", level?.key ?? ""], 3];
    const text = level
      ? (["step", ["zoom"], ofLevel(["<=", number, 1]), 9.8, ofLevel(["==", number, 2]), 11.8, ofLevel([">=", number, 3])] as Expression)
      : label;
    layers.push({
      ...(labelsApart(collection) ? { source: labelSource(definition.id), minzoom } : { ...common, filter: is("Polygon") }),
      id: `${source}:label`, type: "symbol",
      layout: {
        visibility, "text-field": text, "text-font": grid ? FONT : FONT_BOLD, "text-size": grid ? zoomed(9, 12, 14, 15) : 13,
        "text-letter-spacing": grid ? 0.08 : 0, "text-max-width": 9, "text-padding": grid ? 10 : 4, "symbol-sort-key": grid ? 50 : 5,
      },
      paint: { "text-color": c.gridText, "text-halo-color": c.halo, "text-halo-width": 1.6, "text-opacity": grid ? 0.9 : 1 },
    });
    if (!grid) (layers.at(-1)!.paint as Record<string, unknown>)["text-color"] = c.text;
  }
  if (definition.geometry === "line" || definition.geometry === "any") {
    layers.push({
      ...common, id: `${source}:line`, type: "line", filter: is("LineString"), layout: { visibility, "line-cap": "round", "line-join": "round" },
      paint: { "line-color": color, "line-width": zoomed(8, 2, 14, 5) },
    });
  }
  if (definition.geometry === "point" || definition.geometry === "any") {
    if (isDense(definition)) {
      const people = fieldOf(definition, "people");
      const weight: Expression | number = people
        ? (["min", 3.2, ["max", 0.8, ["/", ["sqrt", ["to-number", ["get", people.key], 0]], 14]]] as unknown as Expression)
        : 1;
      layers.push({
        ...common, id: `${source}:dot`, type: "circle", filter: is("Point"), layout: { visibility },
        paint: {
          "circle-color": color,
          "circle-radius": people ? zoomed(8, ["*", 1.6, weight] as Expression, 12, ["*", 3.5, weight] as Expression, 16, ["*", 8, weight] as Expression) : zoomed(11, 1.3, 13, 2.6, 16, 6),
          "circle-opacity": people ? 0.42 : 0.85,
          "circle-stroke-width": zoomed(10, 0.3, 14, 1),
          "circle-stroke-color": theme === "dark" ? "rgba(10,14,19,0.8)" : "rgba(255,255,255,0.9)",
        },
      });
      layers.push({
        ...common, id: `${source}:name`, type: "symbol", filter: is("Point"), minzoom: Math.max(minzoom, 14),
        layout: { visibility, "text-field": label, "text-font": FONT, "text-size": 11, "text-offset": [0, 1], "text-anchor": "top", "text-max-width": 9, "symbol-sort-key": 40 },
        paint: { "text-color": c.text, "text-halo-color": c.halo, "text-halo-width": 1.4 },
      });
    } else {
      const key = incident ? 0 : fieldOf(definition, "occupied") ? 2 : 10 + rank(definition);
      layers.push({
        ...common, id: `${source}:symbol`, type: "symbol", filter: is("Point"),
        layout: {
          visibility,
          "icon-image": ["concat", "sym|", iconExpression(definition), "|", color, ["case", ["has", "excluded"], "|out", ""]] as Expression,
          "icon-size": incident ? zoomed(7, 0.75, 11, 1, 15, 1.25) : zoomed(7, 0.42, 10, 0.6, 13, 0.82, 16, 1.05),
          "icon-allow-overlap": true,
          "icon-padding": 0,
          "text-field": incident ? label : (["step", ["zoom"], "", 11.4, label] as Expression),
          "text-font": incident || fieldOf(definition, "occupied") ? FONT_BOLD : FONT,
          "text-size": incident ? 14 : zoomed(11, 11, 15, 13),
          "text-variable-anchor-offset": ["top", [0, 1.2], "right", [-1.4, 0], "left", [1.4, 0], "bottom", [0, -1.3]],
          "text-justify": "auto",
          "text-max-width": 9,
          "text-optional": true,
          "text-padding": 3,
          "symbol-sort-key": key,
        },
        paint: { "text-color": c.text, "text-halo-color": c.halo, "text-halo-width": 1.6 },
      });
    }
  }
  return layers;
}

/** The ground: features with `class` and `name`. */
function basemapLayers(theme: Theme): LayerSpecification[] {
  const c = PALETTE[theme];
  const common = { source: "basemap" };
  const prefix = "base";
  const cls = (...names: string[]): Expression => ["in", ["get", "class"], ["literal", names]] as unknown as Expression;
  const shape = (kind: string): Expression => ["==", ["geometry-type"], kind] as unknown as Expression;
  const all = (...parts: Expression[]): Expression => ["all", ...parts] as unknown as Expression;
  // Roads of a road graph's file say their class as OSM does.
  const roads = ["road", "motorway", "motorway_link", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential", "service"];
  const kinds = (...names: (string | number)[]): Expression => ["in", ["coalesce", ["get", "kind"], ["get", "rank"], ["get", "class"], ""], ["literal", names]] as unknown as Expression;
  const major = kinds("motorway", "trunk", "primary", "national", "provincial", 1);
  const lane = kinds("unclassified", "residential", "service", "motorway_link");
  const wide = (most: number, middle: number, least: number): Expression => ["case", major, most, lane, least, middle] as unknown as Expression;
  return [
    { ...common, id: `${prefix}:area`, type: "fill", filter: all(cls("forest", "wood", "park", "landuse", "green", "hill"), shape("Polygon")), paint: { "fill-color": c.area } },
    { ...common, id: `${prefix}:water`, type: "fill", filter: all(cls("lake", "river", "water", "reservoir"), shape("Polygon")), paint: { "fill-color": c.water, "fill-outline-color": c.waterLine } },
    { ...common, id: `${prefix}:river`, type: "line", filter: all(cls("river", "stream", "canal", "water"), shape("LineString")), layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": c.water, "line-width": zoomed(7, 1.5, 11, 5, 15, 16) } },
    { ...common, id: `${prefix}:roadcase`, type: "line", filter: all(cls(...roads), shape("LineString")), layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": c.roadCase, "line-width": zoomed(7, wide(1, 1, 0), 11, wide(4, 2.6, 1.2), 16, wide(14, 10, 8)) } },
    { ...common, id: `${prefix}:road`, type: "line", filter: all(cls(...roads), shape("LineString")), layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": c.road, "line-width": zoomed(7, wide(0.5, 0.5, 0), 11, wide(2.6, 1.4, 0.6), 16, wide(11, 7.5, 6)) } },
    { ...common, id: `${prefix}:track`, type: "line", minzoom: 12, filter: all(cls("track", "path", "footway", "steps"), shape("LineString")), paint: { "line-color": c.roadCase, "line-width": zoomed(12, 0.8, 16, 2.2), "line-dasharray": [3, 2] } },
    { ...common, id: `${prefix}:boundary`, type: "line", filter: cls("boundary"), paint: { "line-color": c.boundary, "line-width": zoomed(7, 1.2, 12, 2.2), "line-dasharray": [5, 2, 1, 2], "line-opacity": 0.8 } },
    { ...common, id: `${prefix}:watername`, type: "symbol", minzoom: 9, filter: all(cls("river", "stream", "canal"), shape("LineString")), layout: { "symbol-placement": "line", "symbol-spacing": 420, "text-field": ["coalesce", ["get", "name"], ""], "text-font": FONT, "text-size": 12.5, "text-letter-spacing": 0.18 }, paint: { "text-color": c.waterText, "text-halo-color": c.water, "text-halo-width": 1 } },
    { ...common, id: `${prefix}:lakename`, type: "symbol", filter: all(cls("lake", "reservoir", "water"), shape("Polygon")), layout: { "text-field": ["coalesce", ["get", "name"], ""], "text-font": FONT, "text-size": 12.5, "text-letter-spacing": 0.1 }, paint: { "text-color": c.waterText, "text-halo-color": c.water, "text-halo-width": 1 } },
    { ...common, id: `${prefix}:roadname`, type: "symbol", minzoom: 11, filter: all(cls(...roads), shape("LineString")), layout: { "symbol-placement": "line", "symbol-spacing": 500, "text-field": ["coalesce", ["get", "name"], ["get", "ref"], ""], "text-font": FONT, "text-size": 11 }, paint: { "text-color": c.roadText, "text-halo-color": c.road, "text-halo-width": 1.4 } },
    { ...common, id: `${prefix}:place`, type: "symbol", filter: cls("place"), layout: { "text-field": ["coalesce", ["get", "name"], ""], "text-font": ["case", ["in", ["coalesce", ["get", "kind"], ""], ["literal", ["city", "county", "town"]]], ["literal", FONT_BOLD], ["literal", FONT]] as Expression, "text-size": zoomed(8, ["case", ["in", ["coalesce", ["get", "kind"], ""], ["literal", ["city", "county", "town"]]], 13, 10.5] as Expression, 14, ["case", ["in", ["coalesce", ["get", "kind"], ""], ["literal", ["city", "county", "town"]]], 19, 14] as Expression), "text-padding": 6, "symbol-sort-key": 60 }, paint: { "text-color": c.place, "text-halo-color": c.halo, "text-halo-width": 1.8 } },
  ];
}

export interface StyleInput {
  collections: Collection[];
  theme: Theme;
  hidden: ReadonlySet<string>;
  origin: string;
}

const EMPTY: SourceSpecification = { type: "geojson", data: { type: "FeatureCollection", features: [] } };

export function buildStyle({ collections, theme, hidden, origin }: StyleInput): StyleSpecification {
  const c = PALETTE[theme];
  const drawn = collections.filter((collection) => isDrawn(collection.definition)).sort((a, b) => rank(a.definition) - rank(b.definition));
  const sources: Record<string, SourceSpecification> = {
    graticule: EMPTY,
    basemap: EMPTY,
    answer: EMPTY,
    hover: EMPTY,
  };
  for (const collection of drawn) {
    const { definition } = collection;
    if (labelsApart(collection)) sources[labelSource(definition.id)] = EMPTY;
    sources[dataSource(definition.id)] = { type: "vector", tiles: [`${origin}/tiles/${definition.id}/{z}/{x}/{y}`], maxzoom: 16, promoteId: "id" };
  }
  return {
    version: 8,
    sources,
    layers: [
      { id: "background", type: "background", paint: { "background-color": c.land } },
      { id: "graticule", type: "line", source: "graticule", paint: { "line-color": c.graticule, "line-width": 1 } },
      { id: "graticule:label", type: "symbol", source: "graticule", layout: { "symbol-placement": "line", "symbol-spacing": 380, "text-field": ["get", "name"], "text-font": FONT, "text-size": 10 }, paint: { "text-color": c.place, "text-opacity": 0.55, "text-halo-color": c.land, "text-halo-width": 2 } },
      ...basemapLayers(theme),
      { id: "answer:fill", type: "fill", source: "answer", filter: ["==", ["get", "part"], "disc"], paint: { "fill-color": c.mask, "fill-opacity": 0.06 } },
      ...drawn.flatMap((collection) => dataLayers(collection, theme, !hidden.has(collection.id))),
      { id: "answer:ring", type: "line", source: "answer", filter: ["==", ["get", "part"], "ring"], paint: { "line-color": c.ring, "line-width": 2 } },
      { id: "answer:inner", type: "line", source: "answer", filter: ["==", ["get", "part"], "inner"], paint: { "line-color": c.ring, "line-width": 1.2, "line-dasharray": [3, 3], "line-opacity": 0.7 } },
      { id: "answer:ringlabel", type: "symbol", source: "answer", filter: ["==", ["get", "part"], "label"], layout: { "text-field": ["get", "name"], "text-font": FONT_BOLD, "text-size": 12, "text-allow-overlap": true }, paint: { "text-color": c.ring, "text-halo-color": c.halo, "text-halo-width": 2 } },
      { id: "answer:link", type: "line", source: "answer", filter: ["==", ["get", "part"], "link"], layout: { "line-cap": "round" }, paint: { "line-color": c.ring, "line-width": 2, "line-dasharray": [0.1, 2.2], "line-opacity": 0.9 } },
      { id: "answer:found", type: "circle", source: "answer", filter: ["==", ["get", "part"], "found"], paint: { "circle-radius": zoomed(7, 11, 13, 18, 16, 22), "circle-color": "transparent", "circle-stroke-width": 2.5, "circle-stroke-color": c.ring } },
      { id: "answer:rank", type: "symbol", source: "answer", filter: ["==", ["get", "part"], "found"], layout: { "text-field": ["get", "rank"], "text-font": FONT_BOLD, "text-size": 13, "text-offset": [1.4, -1.2], "text-allow-overlap": true, "text-ignore-placement": true }, paint: { "text-color": c.ring, "text-halo-color": c.halo, "text-halo-width": 3 } },
      { id: "hover:fill", type: "fill", source: "hover", filter: ["==", ["geometry-type"], "Polygon"] as Expression, paint: { "fill-color": c.ring, "fill-opacity": 0.12 } },
      { id: "hover:line", type: "line", source: "hover", filter: ["!=", ["geometry-type"], "Point"] as Expression, paint: { "line-color": c.ring, "line-width": 3.5 } },
      { id: "hover:point", type: "circle", source: "hover", filter: ["==", ["geometry-type"], "Point"] as Expression, paint: { "circle-radius": zoomed(7, 14, 13, 22, 16, 27), "circle-color": c.ring, "circle-opacity": 0.18, "circle-stroke-width": 3, "circle-stroke-color": c.ring } },
    ],
  };
}

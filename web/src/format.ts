// Numbers, distances and times as people read them.

import type { Amount, Feature, Field, Sums } from "./api";
import { enumName } from "./definitions";
import { type Lang, translate } from "./i18n";
import type { Place } from "./permalink";

const locale = (lang: Lang) => (lang === "zh" ? "zh-CN" : "en-GB");

export const formatNumber = (value: number, lang: Lang, digits = 2): string =>
  new Intl.NumberFormat(locale(lang), { maximumFractionDigits: digits }).format(value);

/** 87 m, 1.24 km, 12.4 km, 124 km. An unknown distance is a dash, never 0. */
export function formatDistance(metres: number | null | undefined, lang: Lang): string {
  if (metres === null || metres === undefined || !Number.isFinite(metres)) return "—";
  if (metres < 999.5) return `${formatNumber(metres, lang, 0)} m`;
  const km = metres / 1000;
  return `${formatNumber(km, lang, km < 9.995 ? 2 : km < 99.95 ? 1 : 0)} km`;
}

export const formatRadius = (metres: number): string => (metres >= 1000 ? `${+(metres / 1000).toFixed(2)} km` : `${metres} m`);

export function formatTime(at: string | number | Date | undefined, lang: Lang, withDate = false): string {
  const time = at === undefined ? undefined : new Date(at);
  if (!time || Number.isNaN(time.getTime())) return "—";
  return new Intl.DateTimeFormat(locale(lang), {
    ...(withDate ? { year: "numeric", month: "2-digit", day: "2-digit" } : {}),
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(time);
}

export const formatPlace = (place: Place): string => `${place.lon.toFixed(5)}, ${place.lat.toFixed(5)}`;

/** Free places; never below zero, unknown stays unknown. */
export function freePlaces(capacity: number | undefined, occupied: number | undefined): number | undefined {
  return capacity === undefined ? undefined : Math.max(0, capacity - (occupied ?? 0));
}

export interface StockRow extends Amount {
  item: string;
  unit: string;
}

/** One row for each item and unit: amounts of different units are never added. */
export function stockRows(sums: Sums | undefined): StockRow[] {
  return Object.entries(sums ?? {}).flatMap(([item, units]) =>
    Object.entries(units).map(([unit, amount]) =>
      typeof amount === "number" ? { item, unit, free: amount, on_hand: amount, reserved: 0 } : { item, unit, ...amount },
    ),
  );
}

export function formatValue(field: Field, value: unknown, lang: Lang): string {
  if (value === null || value === undefined || value === "") return "—";
  if (Array.isArray(value)) return value.map((one) => enumName(field, one, lang) ?? String(one)).join(lang === "zh" ? "、" : ", ") || "—";
  switch (field.type) {
    case "enum":
      return enumName(field, value, lang) ?? String(value);
    case "boolean":
      return translate(lang, value ? "yes" : "no");
    case "integer":
    case "number":
      return typeof value === "number" ? `${formatNumber(value, lang, 6)}${field.unit ? ` ${field.unit}` : ""}` : String(value);
    case "datetime":
      return formatTime(String(value), lang, true);
    default:
      return String(value);
  }
}

/** Which way to look, as one of eight winds. */
export function bearing(from: Place, to: Place, lang: Lang): string {
  const rad = Math.PI / 180;
  const y = Math.sin((to.lon - from.lon) * rad) * Math.cos(to.lat * rad);
  const x =
    Math.cos(from.lat * rad) * Math.sin(to.lat * rad) - Math.sin(from.lat * rad) * Math.cos(to.lat * rad) * Math.cos((to.lon - from.lon) * rad);
  const degrees = (Math.atan2(y, x) / rad + 360) % 360;
  return translate(lang, "bearing").split(" ")[Math.round(degrees / 45) % 8]!;
}

/** Where a label or a flight goes: the point itself, or the middle of the box around it. */
export function placeOf(feature: Pick<Feature, "geometry">): Place | undefined {
  const box = bounds(feature.geometry);
  return box && { lon: (box[0] + box[2]) / 2, lat: (box[1] + box[3]) / 2 };
}

export function bounds(geometry: Feature["geometry"]): [number, number, number, number] | undefined {
  if (!geometry || !("coordinates" in geometry)) return undefined;
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (node: unknown): void => {
    if (!Array.isArray(node)) return;
    if (typeof node[0] === "number") {
      box[0] = Math.min(box[0], node[0]);
      box[1] = Math.min(box[1], node[1] as number);
      box[2] = Math.max(box[2], node[0]);
      box[3] = Math.max(box[3], node[1] as number);
    } else node.forEach(visit);
  };
  visit(geometry.coordinates);
  return Number.isFinite(box[0]) ? box : undefined;
}

/** A circle of `metres` around a place, on the sphere. */
export function ring(centre: Place, metres: number, steps = 96): [number, number][] {
  const rad = Math.PI / 180;
  const angle = metres / 6_371_008.8;
  const lat = centre.lat * rad;
  return Array.from({ length: steps + 1 }, (_, i) => {
    const azimuth = (i / steps) * 2 * Math.PI;
    const lat2 = Math.asin(Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(azimuth));
    const lon2 = Math.atan2(Math.sin(azimuth) * Math.sin(angle) * Math.cos(lat), Math.cos(angle) - Math.sin(lat) * Math.sin(lat2));
    return [centre.lon + lon2 / rad, lat2 / rad];
  });
}

/** A point inside the largest part of an area, for its label: the middle of the widest stretch at half its height. */
export function labelPlace(geometry: Feature["geometry"]): Place | undefined {
  if (geometry?.type !== "Polygon" && geometry?.type !== "MultiPolygon") return placeOf({ geometry });
  const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  let best: Place | undefined;
  let size = -1;
  for (const rings of parts) {
    const box = bounds({ type: "Polygon", coordinates: rings });
    if (!box || (box[2] - box[0]) * (box[3] - box[1]) <= size) continue;
    size = (box[2] - box[0]) * (box[3] - box[1]);
    const lat = (box[1] + box[3]) / 2 + 1e-9;
    const cuts = rings
      .flatMap((points) => points.slice(1).map((to, i) => [points[i]!, to] as const))
      .filter(([a, b]) => a[1]! > lat !== b[1]! > lat)
      .map(([a, b]) => a[0]! + ((lat - a[1]!) / (b[1]! - a[1]!)) * (b[0]! - a[0]!))
      .sort((a, b) => a - b);
    let width = -1;
    for (let i = 0; i + 1 < cuts.length; i += 2) {
      if (cuts[i + 1]! - cuts[i]! > width) {
        width = cuts[i + 1]! - cuts[i]!;
        best = { lon: (cuts[i]! + cuts[i + 1]!) / 2, lat };
      }
    }
  }
  return best;
}

// The server's HTTP surface, as far as this page uses it. Typed by hand to the contract.

import type { Geometry } from "geojson";
import type { Name } from "./i18n";
import type { Place } from "./permalink";

export interface EnumValue extends Name {
  value: string;
  color?: string;
}
export interface Field {
  key: string;
  name: Name;
  type: "text" | "integer" | "number" | "boolean" | "date" | "datetime" | "enum" | "list" | "ref";
  values?: EnumValue[];
  to?: string;
  unit?: string;
  role?: string;
  read_only?: boolean;
}
export interface Definition {
  id: string;
  name: Name;
  group: string;
  geometry: "none" | "point" | "line" | "polygon" | "any";
  roles?: string[];
  symbol: { icon: string; color: string; color_by?: string; min_zoom: number };
  fields: Field[];
  exclude?: Record<string, string>;
  /** Fields whose values are never added up together. */
  apart?: string[];
  /** Set where its features go through states. */
  workflow?: { field: string };
}
export interface Collection {
  id: string;
  title?: string;
  extent?: { spatial?: { bbox?: number[][] } };
  itemCount?: number;
  definition: Definition;
}
export interface Feature {
  type: "Feature";
  id: string;
  geometry: Geometry | null;
  properties: Record<string, unknown>;
  /** In answers over several layers. */
  layer?: string;
  distance_m?: number | null;
  version?: number;
  updated_at?: string;
}
export interface Excluded {
  id: string;
  layer: string;
  reason: string | string[];
  name?: string;
  code?: string;
  distance_m?: number;
}
export interface Amount {
  free: number;
  on_hand: number;
  reserved: number;
}
export type Sums = Record<string, Record<string, Amount | number>>;
export interface Basis {
  seq?: number;
  at?: string;
  stale?: boolean;
  excluded?: Excluded[];
  excluded_counts?: Record<string, number>;
  hazard_assessed?: boolean;
  sums?: Sums;
}
export interface Answer {
  type: "FeatureCollection";
  features: Feature[];
  numberMatched?: number;
  answer?: Basis;
}
export interface DossierLayer {
  count?: number;
  sums?: Record<string, number>;
  features?: Feature[] | { features: Feature[] };
}
export interface Dossier {
  answer?: Basis;
  radius_m?: number;
  responsible?: Feature[];
  layers?: Record<string, DossierLayer>;
  people?: Record<string, unknown>;
}
/** Counts of some features; of a register with a workflow. */
export interface Group {
  by: Record<string, unknown>;
  count: number;
  done: number;
  overdue: number;
}
export interface Stats {
  total: number;
  groups: Group[];
  answer?: Basis;
}
export interface Change {
  seq: number;
  layer: string;
  id: string;
  op: string;
  at: string;
  actor?: string;
}

/** A refused request, in both languages where the server gave them. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly title?: Name,
    readonly remedy?: Name,
    readonly detail?: string,
    readonly field?: string,
  ) {
    super(title?.en ?? code);
  }
}

async function get<T>(path: string, signal?: AbortSignal, accept = "application/json"): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { signal, headers: { accept } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem("network");
  }
  if (!response.ok) throw await problem(response);
  return (await response.json()) as T;
}

async function problem(response: Response): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const text = (key: string) => (typeof body[key] === "string" ? (body[key] as string) : undefined);
  const pair = (key: string): Name | undefined => {
    const en = text(key) ?? text(`${key}_zh`);
    return en ? { en, zh: text(`${key}_zh`) ?? en } : undefined;
  };
  return new Problem(text("code") ?? `http_${response.status}`, pair("title"), pair("remedy"), text("detail"), text("field"));
}

const query = (params: Record<string, string | number | undefined>): string =>
  Object.entries(params)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value!)).replace(/%2C/g, ",")}`)
    .join("&");

const at = (place: Place) => `${+place.lon.toFixed(7)},${+place.lat.toFixed(7)}`;
const geojson = "application/geo+json, application/json";

/** A text in a CQL2 filter, where % and _ would be wildcards. */
export const cqlText = (text: string) => `'${text.replace(/'/g, "''")}'`;

export const api = {
  collections: (signal?: AbortSignal) => get<{ collections: Collection[] }>("/collections", signal),

  nearest: (layer: string, point: Place, k: number, hazard?: string, signal?: AbortSignal) =>
    get<Answer>(`/query/nearest?${query({ layer, point: at(point), k, hazard })}`, signal),

  within: (layers: string[], point: Place, radius: number, sum: string | undefined, limit: number, signal?: AbortSignal) =>
    get<Answer>(`/query/within?${query({ layer: layers.join(","), point: at(point), radius, sum, limit })}`, signal),

  dossier: (point: Place, radius: number, signal?: AbortSignal) =>
    get<Dossier>(`/query/dossier?${query({ point: at(point), radius })}`, signal),

  stats: (layer: string, by: string, signal?: AbortSignal) => get<Stats>(`/query/stats?${query({ layer, by })}`, signal),

  feature: (layer: string, id: string, signal?: AbortSignal) =>
    get<Feature>(`/collections/${encodeURIComponent(layer)}/items/${encodeURIComponent(id)}`, signal, geojson),

  items: (layer: string, params: Record<string, string | number | undefined>, signal?: AbortSignal) =>
    get<Answer>(`/collections/${encodeURIComponent(layer)}/items?${query(params)}`, signal, geojson),

  /** The ground under the registers, empty where there is none, and whether the county is a fictional one. */
  basemap: (signal?: AbortSignal) => get<GeoJSON.FeatureCollection & { fictional: boolean }>("/basemap.geojson", signal, geojson),
};

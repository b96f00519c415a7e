// What the page knows. Everything else is derived from these.

import { createMemo, createSignal } from "solid-js";
import type { Collection, Feature } from "./api";
import { type Key, type Lang, type Params, translate, type Name } from "./i18n";
import type { Theme } from "./map/style";
import { type Camera, type FeatureRef, parsePermalink, type Place } from "./permalink";

const query = new URLSearchParams(location.search);

/** A preference: the address wins, then what was chosen before, then the browser's. */
function preference<T extends string>(name: string, allowed: readonly T[], otherwise: () => T) {
  const known = (value: string | null): value is T => allowed.includes(value as T);
  const given = query.get(name);
  const stored = localStorage.getItem(`biaotu.${name}`);
  const [value, set] = createSignal<T>(known(given) ? given : known(stored) ? stored : otherwise());
  return [value, (next: T) => (localStorage.setItem(`biaotu.${name}`, next), set(() => next))] as const;
}

export const [lang, setLang] = preference<Lang>("lang", ["zh", "en"], () => (navigator.language.startsWith("en") ? "en" : "zh"));
export const [theme, setTheme] = preference<Theme>("theme", ["light", "dark"], () =>
  matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
);
export const t = (key: Key, params?: Params): string => translate(lang(), key, params);
export const named = (name: Name | undefined): string => name?.[lang()] || name?.zh || name?.en || "";

export const RADII = [1000, 2000, 5000, 10_000, 20_000];

export const link = parsePermalink(location.hash);
export const [camera, setCamera] = createSignal<Camera | undefined>(link.camera);
export const [point, setPoint] = createSignal<Place | undefined>(link.point);
export const [radius, setRadius] = createSignal(link.radius ?? 10_000);
export const [hazard, setHazard] = createSignal<string | undefined>(link.hazard);
/** Features under the last click, and the one shown. */
export const [selection, setSelection] = createSignal<FeatureRef[]>(link.feature ? [link.feature] : []);
/** The register whose progress is shown. */
export const [register, setRegister] = createSignal<string | undefined>(link.register);
export const [hovered, setHovered] = createSignal<Feature | undefined>();

export const [collections, setCollections] = createSignal<Collection[]>([]);
export const definitions = createMemo(() => new Map(collections().map((c) => [c.id, c.definition])));
export const definition = (layer: string) => definitions().get(layer);

const storedHidden = (): string[] => {
  try {
    return JSON.parse(localStorage.getItem("biaotu.hidden") ?? "[]") as string[];
  } catch {
    return [];
  }
};
const [hiddenList, setHiddenList] = createSignal<ReadonlySet<string>>(new Set(storedHidden()));
export const hidden = hiddenList;
export function setHidden(layers: Iterable<string>): void {
  const set = new Set(layers);
  localStorage.setItem("biaotu.hidden", JSON.stringify([...set]));
  setHiddenList(set);
}
export function toggleLayer(layer: string): void {
  const next = new Set(hidden());
  if (!next.delete(layer)) next.add(layer);
  setHidden(next);
}

export const [layersOpen, setLayersOpen] = createSignal(innerWidth >= 1100 || (innerWidth >= 900 && !link.point));
/** Grows with each batch of changes: open answers ask again. */
export const [revision, setRevision] = createSignal(0);

export function ask(place: Place): void {
  setSelection([]);
  setRegister(undefined);
  setHovered(undefined);
  // On a tablet the map needs the room.
  if (innerWidth < 1100) setLayersOpen(false);
  setPoint(place);
}
/** Closes what is on top. */
export function dismiss(): void {
  setHovered(undefined);
  if (selection().length) setSelection([]);
  else if (register()) setRegister(undefined);
  else if (point()) setPoint(undefined);
}

/** Whether what is shown is a fictional county's. */
export const [fictional, setFictional] = createSignal(false);

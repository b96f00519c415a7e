// Reading a layer's definition. The page knows what fields and layers mean by their roles, not by their names.

import type { Collection, Definition, EnumValue, Excluded, Feature, Field } from "./api";
import type { Lang } from "./i18n";

export const fieldOf = (definition: Definition, role: string): Field | undefined => definition.fields.find((field) => field.role === role);
export const hasRole = (definition: Definition, role: string): boolean => definition.roles?.includes(role) ?? false;
export const isDrawn = (definition: Definition): boolean => definition.geometry !== "none";
export const isArea = (definition: Definition): boolean => definition.geometry === "polygon" || definition.geometry === "line";

/** So many of them that a plain dot says more than a symbol. */
export const isDense = (definition: Definition): boolean =>
  hasRole(definition, "population") || ["dot", "population", "confined_space"].includes(definition.symbol.icon);

/** Layers that take people in. */
export const refuges = (collections: Collection[]): Definition[] =>
  collections.map((c) => c.definition).filter((d) => isDrawn(d) && fieldOf(d, "capacity") && fieldOf(d, "occupied"));

/** The layers that hold stock, and the layer of balances that refers to them. */
export function stores(collections: Collection[]): { stock: Definition; holders: string[] } | undefined {
  const stock = collections.map((c) => c.definition).find((d) => hasRole(d, "stock"));
  const holder = stock && fieldOf(stock, "stock_of")?.to;
  return stock && holder ? { stock, holders: [holder] } : undefined;
}

/** The kinds of hazard that anything can be of, from every field that names one. */
export function hazards(collections: Collection[]): EnumValue[] {
  const found = new Map<string, EnumValue>();
  for (const { definition } of collections) {
    const field = fieldOf(definition, "hazard_kind");
    for (const value of field?.values ?? []) if (!found.has(value.value)) found.set(value.value, value);
  }
  return [...found.values()];
}

export const valueOf = (feature: Feature, field: Field | undefined): unknown => (field ? feature.properties[field.key] : undefined);
export const numberOf = (feature: Feature, field: Field | undefined): number | undefined => {
  const value = valueOf(feature, field);
  return typeof value === "number" ? value : undefined;
};
export const textOf = (feature: Feature, field: Field | undefined): string | undefined => {
  const value = valueOf(feature, field);
  return value === null || value === undefined || value === "" ? undefined : String(value);
};

export const enumName = (field: Field | undefined, value: unknown, lang: Lang): string | undefined =>
  field?.values?.find((candidate) => candidate.value === value)?.[lang];

/** The colour that the legend gives this feature. */
export function colorOf(definition: Definition, properties: Record<string, unknown>): string {
  const field = definition.fields.find((candidate) => candidate.key === definition.symbol.color_by);
  const value = field?.values?.find((candidate) => candidate.value === properties[field.key]);
  return value?.color ?? definition.symbol.color;
}

/** Reasons as a list, however they were written. */
export const reasonsOf = (reason: Excluded["reason"] | unknown): string[] =>
  (Array.isArray(reason) ? reason.map(String) : String(reason ?? "").split(/[\s,;]+/)).filter(Boolean);

export const nameOf = (feature: Pick<Feature, "properties">): string | undefined => {
  const { name, code } = feature.properties;
  return (typeof name === "string" && name) || (typeof code === "string" && code) || undefined;
};

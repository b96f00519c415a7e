import { Show } from "solid-js";
import type { Definition } from "../api";
import { colorOf, fieldOf, isDense } from "../definitions";
import { hasIcon, iconName, iconParts } from "../map/icons";

/** The same symbol as on the map, for lists and the legend. */
export function Symbol(props: { definition: Definition; properties?: Record<string, unknown>; out?: boolean; color?: string; size?: number }) {
  const color = () => props.color ?? colorOf(props.definition, props.properties ?? {});
  const kind = () => {
    const field = fieldOf(props.definition, "kind");
    const value = field && props.properties?.[field.key];
    return typeof value === "string" && hasIcon(value) ? value : iconName(props.definition.symbol.icon);
  };
  const size = () => props.size ?? 26;
  const area = () => props.definition.geometry === "polygon";
  const parts = () => iconParts(kind());
  return (
    <svg class="symbol" classList={{ out: props.out }} viewBox="0 0 32 32" width={size()} height={size()} aria-hidden="true">
      <Show
        when={!area() && !isDense(props.definition)}
        fallback={
          area() ? (
            <rect x="4" y="7" width="24" height="18" rx="3" fill={color()} fill-opacity="0.22" stroke={color()} stroke-width="2.5" stroke-dasharray={props.definition.roles?.includes("grid") ? "5 3" : undefined} />
          ) : (
            <circle cx="16" cy="16" r="8" fill={color()} fill-opacity="0.85" stroke="var(--panel)" stroke-width="2" />
          )
        }
      >
        <path d={parts().plate} fill={color()} stroke={color()} stroke-linejoin="round" />
        <Show when={parts().fill}>{(d) => <path d={d()} fill="#fff" fill-rule="evenodd" />}</Show>
        <Show when={parts().stroke}>{(d) => <path d={d()} fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" />}</Show>
        <Show when={props.out}>
          <path d="M5 27 27 5" stroke="var(--panel)" stroke-width="6" />
          <path d="M5 27 27 5" stroke="var(--ink)" stroke-width="3" stroke-linecap="round" />
        </Show>
      </Show>
    </svg>
  );
}

const GLYPHS = {
  layers: "M12 3 2.5 8 12 13l9.5-5zM3.5 12.5 12 17l8.5-4.500M3.5 16.5 12 21l8.5-4.5",
  close: "M6 6l12 12M18 6 6 18",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM15.5 15.5 21 21",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  moon: "M20 14.500A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.500Z",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM12 2v2.500M12 19.500V22M2 12h2.500M19.5 12H22M4.9 4.900l1.8 1.800M17.3 17.300l1.8 1.800M19.1 4.900l-1.8 1.800M6.7 17.300l-1.8 1.8",
  back: "M15 5l-7 7 7 7",
  chevron: "M8 10l4 4 4-4",
  list: "M4 7l1.5 1.500L8 5.500M11 7h9M4 13l1.5 1.500L8 11.500M11 13h9M11 19h9M5 19h1",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  phone: "M7 4 9.5 8.5 7.8 10.500c1 2.3 2.9 4.3 5.3 5.500l2-1.700L19.5 17c-.3 2-1.5 3-3.3 3C9.5 19.5 4.5 14 4 7.5 4 5.5 5 4.2 7 4Z",
  warn: "M12 4 22 20.500H2zM12 10v5M12 17.500v.5",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z",
  eye_off: "M4 4l16 16M9.5 6c.8-.3 1.6-.5 2.5-.5 6 0 9.5 6.5 9.5 6.500a17 17 0 0 1-3 3.800M6.5 7.700A16 16 0 0 0 2.5 12S6 18.5 12 18.500c1.5 0 2.9-.4 4.1-1",
} as const;

export function Glyph(props: { name: keyof typeof GLYPHS; size?: number }) {
  return (
    <svg class="glyph" viewBox="0 0 24 24" width={props.size ?? 20} height={props.size ?? 20} fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={GLYPHS[props.name]} />
    </svg>
  );
}

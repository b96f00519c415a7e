import { createMemo, createSignal, For, Show } from "solid-js";
import type { Collection, Field } from "../api";
import { isDrawn } from "../definitions";
import { formatNumber } from "../format";
import { hasKey } from "../i18n";
import { camera, collections, hidden, lang, layersOpen, named, setHidden, setRegister, setSelection, setLayersOpen, t, toggleLayer } from "../state";
import { Glyph, Symbol } from "./Symbol";

const groupName = (group: string) => (hasKey(`group_${group}`) ? t(`group_${group}` as "group_risk") : group);

function Row(props: { collection: Collection }) {
  const definition = () => props.collection.definition;
  const drawn = () => isDrawn(definition());
  const on = () => !hidden().has(props.collection.id);
  const legend = createMemo<Field | undefined>(() => {
    const field = definition().fields.find((candidate) => candidate.key === definition().symbol.color_by);
    return field?.values?.some((value) => value.color) ? field : undefined;
  });
  const [open, setOpen] = createSignal(false);
  const tooFar = () => on() && drawn() && (camera()?.zoom ?? 22) < definition().symbol.min_zoom;
  return (
    <li class="layer" classList={{ off: drawn() && !on() }} data-layer={props.collection.id}>
      <div class="layer-row">
        <Show
          when={drawn()}
          fallback={
            <div class="layer-main" title={t("no_geometry")}>
              <Symbol definition={definition()} size={24} />
              <span class="layer-name">{named(definition().name)}</span>
            </div>
          }
        >
          <button class="layer-main" role="switch" aria-checked={on()} onClick={() => toggleLayer(props.collection.id)}>
            <Symbol definition={definition()} size={24} />
            <span class="layer-name">
              {named(definition().name)}
              <Show when={tooFar()}>
                <small>{t("visible_from", { zoom: definition().symbol.min_zoom })}</small>
              </Show>
            </span>
          </button>
        </Show>
        <Show when={definition().workflow}>
          <button class="expander" aria-label={`${named(definition().name)}: ${t("progress")}`} title={t("progress")} onClick={() => (setSelection([]), setRegister(props.collection.id))}>
            <Glyph name="list" size={18} />
          </button>
        </Show>
        <span class="count num">{props.collection.itemCount === undefined ? "" : formatNumber(props.collection.itemCount, lang())}</span>
        <Show when={legend()} fallback={<span class="expander" />}>
          <button class="expander" aria-expanded={open()} aria-label={named(legend()!.name)} title={named(legend()!.name)} onClick={() => setOpen(!open())}>
            <Glyph name="chevron" size={18} />
          </button>
        </Show>
      </div>
      <Show when={open() && legend()}>
        {(field) => (
          <ul class="legend" aria-label={named(field().name)}>
            <For each={field().values}>
              {(value) => (
                <li>
                  <span class="swatch" style={{ background: value.color ?? definition().symbol.color }} />
                  {named(value)}
                </li>
              )}
            </For>
          </ul>
        )}
      </Show>
    </li>
  );
}

export function LayerPanel() {
  const groups = createMemo(() => {
    const found = new Map<string, Collection[]>();
    for (const collection of collections()) {
      const group = collection.definition.group;
      found.set(group, [...(found.get(group) ?? []), collection]);
    }
    const order = ["operation", "risk", "resource", "exposure", "base"];
    const position = (group: string) => (order.includes(group) ? order.indexOf(group) : order.length);
    return [...found].sort((a, b) => position(a[0]) - position(b[0]));
  });
  const drawable = () => collections().filter((c) => isDrawn(c.definition));
  const anyHidden = () => drawable().some((c) => hidden().has(c.id));
  return (
    <Show when={layersOpen()}>
      <nav class="layers panel" aria-label={t("layers")}>
        <header>
          <h2>{t("layers")}</h2>
          <button class="text" onClick={() => setHidden(anyHidden() ? [] : drawable().map((c) => c.id))}>
            {t(anyHidden() ? "show_all" : "hide_all")}
          </button>
          <button class="icon" aria-label={t("hide")} title={`${t("hide")} (L)`} onClick={() => setLayersOpen(false)}>
            <Glyph name="close" />
          </button>
        </header>
        <div class="scroll">
          <For each={groups()}>
            {([group, members]) => (
              <section>
                <h3>{groupName(group)}</h3>
                <ul>
                  <For each={members}>{(collection) => <Row collection={collection} />}</For>
                </ul>
              </section>
            )}
          </For>
        </div>
      </nav>
    </Show>
  );
}

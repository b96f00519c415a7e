import { createEffect, createSignal, For, on, Show } from "solid-js";
import { api, cqlText, type Feature } from "../api";
import { isDrawn, nameOf } from "../definitions";
import { formatPlace } from "../format";
import { flyTo, showFeature } from "../map/MapView";
import { parseCoordinate } from "../permalink";
import { createRequest } from "../request";
import { ask, collections, definition, named, setSelection, t } from "../state";
import { Glyph, Symbol } from "./Symbol";

export function SearchBox() {
  let input!: HTMLInputElement;
  const [text, setText] = createSignal("");
  const [asked, setAsked] = createSignal("");
  const [focused, setFocused] = createSignal(false);
  const [active, setActive] = createSignal(0);
  let timer: ReturnType<typeof setTimeout> | undefined;

  const place = () => parseCoordinate(text());
  const request = createRequest(
    () => asked() || undefined,
    () => undefined,
    async (q, signal) => {
      const layers = collections().filter((c) => isDrawn(c.definition));
      const pattern = cqlText(`%${q}%`);
      const found = await Promise.all(
        layers.map(({ id }) =>
          api
            .items(id, { filter: `name LIKE ${pattern} OR code LIKE ${pattern}`, limit: 5 }, signal)
            .then(({ features }) => features.map((feature) => ({ layer: id, feature })))
            .catch(() => [] as { layer: string; feature: Feature }[]),
        ),
      );
      const exact = ({ feature }: { feature: Feature }) => (nameOf(feature) === q || feature.properties.code === q ? 0 : 1);
      return found.flat().sort((a, b) => exact(a) - exact(b)).slice(0, 12);
    },
  );
  createEffect(
    on(text, (value) => {
      clearTimeout(timer);
      const q = value.trim();
      setActive(0);
      timer = setTimeout(() => setAsked(q && !place() ? q : ""), 250);
    }),
  );
  const done = () => {
    setText("");
    input.blur();
  };
  const goTo = () => {
    const to = place();
    if (!to) return;
    ask(to);
    flyTo(to, 12);
    done();
  };
  const openFeature = (layer: string, feature: Feature) => {
    setSelection([{ layer, id: feature.id }]);
    showFeature(feature);
    done();
  };
  const choose = () => {
    if (place()) return goTo();
    const one = request.data()?.[active()];
    if (one) openFeature(one.layer, one.feature);
  };
  const key = (event: KeyboardEvent) => {
    const count = request.data()?.length ?? 0;
    if (event.key === "Enter") choose();
    else if (event.key === "Escape") done();
    else if (event.key === "ArrowDown" && count) setActive((active() + 1) % count);
    else if (event.key === "ArrowUp" && count) setActive((active() + count - 1) % count);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="search" role="search">
      <Glyph name="search" />
      <input
        ref={input}
        id="search"
        type="text"
        role="combobox"
        aria-expanded={focused() && text() !== ""}
        aria-controls="found"
        autocomplete="off"
        spellcheck={false}
        placeholder={t("search_short")}
        aria-label={t("search")}
        title={t("search")}
        value={text()}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={key}
        onFocus={() => setFocused(true)}
        onBlur={() => setTimeout(() => setFocused(false), 150)}
      />
      <kbd>/</kbd>
      <Show when={focused() && text().trim()}>
        <ul class="results panel" id="found" role="listbox" onMouseDown={(event) => event.preventDefault()}>
          <Show when={place()}>
            {(p) => (
              <li role="option" aria-selected="true">
                <button onClick={goTo}>
                  <Glyph name="search" />
                  <span class="row-text">
                    <span class="row-name num">{formatPlace(p())}</span>
                    <small class="num">{t("coordinate_hint", { lon: p().lon, lat: p().lat })}</small>
                  </span>
                </button>
              </li>
            )}
          </Show>
          <For each={request.data()}>
            {({ layer, feature }, i) => (
              <li role="option" aria-selected={active() === i()} classList={{ active: active() === i() }}>
                <button onClick={() => openFeature(layer, feature)}>
                  <Show when={definition(layer)}>{(d) => <Symbol definition={d()} properties={feature.properties} />}</Show>
                  <span class="row-text">
                    <span class="row-name">{nameOf(feature) ?? t("unnamed")}</span>
                    <small>
                      {named(definition(layer)?.name)}
                      {feature.properties.code ? ` · ${feature.properties.code}` : ""}
                    </small>
                  </span>
                </button>
              </li>
            )}
          </For>
          <Show when={!place() && asked() && !request.loading() && !request.data()?.length}>
            <li class="empty">{t("no_match", { q: asked() })}</li>
          </Show>
          <Show when={!place() && (request.loading() || asked() !== text().trim()) && !request.data()?.length}>
            <li class="empty">{t("searching")}</li>
          </Show>
        </ul>
      </Show>
    </div>
  );
}

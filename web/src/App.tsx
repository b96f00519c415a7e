import { createEffect, createMemo, onCleanup, onMount, Show } from "solid-js";
import { api } from "./api";
import { AnswerPanel, createAnswers } from "./components/AnswerPanel";
import { FeaturePanel } from "./components/FeaturePanel";
import { LayerPanel } from "./components/LayerPanel";
import { ProblemNote } from "./components/ProblemNote";
import { ProgressPanel } from "./components/ProgressPanel";
import { SearchBox } from "./components/SearchBox";
import { Status } from "./components/Status";
import { Glyph } from "./components/Symbol";
import { startLive } from "./live";
import MapView, { fitDistrict, refreshLayers, zoomBy } from "./map/MapView";
import { formatPermalink, parsePermalink } from "./permalink";
import { createRequest } from "./request";
import {
  camera, collections, dismiss, fictional, hazard, lang, layersOpen, point, radius, register, revision, selection, setCollections, setHazard, setLang, setLayersOpen, setPoint, setRadius, setRegister,
  setRevision, setSelection, setTheme, t, theme,
} from "./state";

export default function App() {
  const registry = createRequest(
    () => true,
    revision,
    async (_, signal) => {
      const { collections } = await api.collections(signal);
      setCollections(collections.filter((collection) => collection.definition));
      return true;
    },
  );
  const answers = createAnswers();
  const found = createMemo(() => (point() ? (answers.nearest.data() ?? []).flatMap(({ answer }) => answer.features) : []));

  createEffect(() => {
    document.documentElement.lang = lang() === "zh" ? "zh-CN" : "en";
    document.documentElement.dataset.theme = theme();
    document.title = lang() === "zh" ? "标图 Biaotu" : "Biaotu 标图";
  });
  // The address bar keeps the state of the screen.
  createEffect(() => {
    const feature = selection()[0];
    const hash = formatPermalink({ camera: camera(), point: point(), radius: point() ? radius() : undefined, hazard: point() ? hazard() : undefined, feature, register: register() });
    if (hash && hash !== location.hash) history.replaceState(null, "", hash);
  });
  const readHash = () => {
    const link = parsePermalink(location.hash);
    setPoint(link.point);
    if (link.radius) setRadius(link.radius);
    setHazard(link.hazard);
    setSelection(link.feature ? [link.feature] : []);
    setRegister(link.register);
  };
  const key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "Escape") dismiss();
    else if (typing) return;
    else if (event.key === "l" || event.key === "L") setLayersOpen(!layersOpen());
    else if (event.key === "/") {
      document.getElementById("search")?.focus();
      event.preventDefault();
    }
  };
  onMount(() => {
    addEventListener("hashchange", readHash);
    addEventListener("keydown", key);
    const stop = startLive(
      (layers) => {
        refreshLayers(layers);
        setRevision((n) => n + 1);
      },
      () => {
        refreshLayers();
        setRevision((n) => n + 1);
      },
    );
    onCleanup(() => {
      stop();
      removeEventListener("hashchange", readHash);
      removeEventListener("keydown", key);
    });
  });

  return (
    <div class="app" classList={{ "with-layers": layersOpen(), "with-side": !!(selection().length || register() || point()) }}>
      <Show when={collections().length}>
        <MapView found={found()} />
      </Show>
      <header class="top">
        <div class="bar panel">
          <button class="icon" aria-pressed={layersOpen()} aria-label={t("show_layers")} title={`${t("layers")} (L)`} onClick={() => setLayersOpen(!layersOpen())}>
            <Glyph name="layers" />
          </button>
          <h1>{t("app")}</h1>
          <SearchBox />
        </div>
      </header>
      <Show when={fictional()}><div class="fictional">{t("fictional")}</div></Show>
      <LayerPanel />
      <Show when={!collections().length && registry.problem()}>{(problem) => <div class="fatal panel"><ProblemNote problem={problem()} again={registry.again} /></div>}</Show>
      <Show
        when={selection()[0]}
        fallback={
          <Show when={register() && collections().length ? register() : undefined} fallback={
            <Show when={point()} fallback={<Show when={collections().length}><div class="hint panel"><strong>{t("hint_title")}</strong><span>{t("hint")}</span></div></Show>}>
              {(place) => <AnswerPanel answers={answers} place={place()} />}
            </Show>
          }>
            {(layer) => <ProgressPanel layer={layer()} />}
          </Show>
        }
      >
        {(feature) => <FeaturePanel feature={feature()} />}
      </Show>
      <div class="tools">
        <div class="panel stack">
          <button class="icon" aria-label={t("zoom_in")} title={t("zoom_in")} onClick={() => zoomBy(1)}><Glyph name="plus" /></button>
          <button class="icon" aria-label={t("zoom_out")} title={t("zoom_out")} onClick={() => zoomBy(-1)}><Glyph name="minus" /></button>
          <button class="icon" aria-label={t("fit")} title={t("fit")} onClick={() => fitDistrict()}><Glyph name="fit" /></button>
        </div>
        <div class="panel stack">
          <button class="icon lang" aria-label={t("language_title")} title={t("language_title")} onClick={() => setLang(lang() === "zh" ? "en" : "zh")}>
            {lang() === "zh" ? "EN" : "中"}
          </button>
          <button class="icon" aria-label={t(theme() === "light" ? "theme_dark" : "theme_light")} title={t(theme() === "light" ? "theme_dark" : "theme_light")} onClick={() => setTheme(theme() === "light" ? "dark" : "light")}>
            <Glyph name={theme() === "light" ? "moon" : "sun"} />
          </button>
        </div>
      </div>
      <Status />
    </div>
  );
}

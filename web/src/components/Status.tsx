import { Show } from "solid-js";
import { formatTime } from "../format";
import { hasKey } from "../i18n";
import { connection, currentAt, lastChange, seq } from "../live";
import { definition, lang, named, t } from "../state";
import { Glyph } from "./Symbol";

/** Whether what is on screen is current. Small when it is, impossible to miss when it isn't. */
export function Status() {
  const what = () => {
    const change = lastChange();
    if (!change) return "";
    const op = `op_${{ create: "insert", replace: "update" }[change.op] ?? change.op}`;
    return [named(definition(change.layer)?.name) || change.layer, hasKey(op) ? t(op) : change.op].join(" ");
  };
  return (
    <>
      <Show when={connection() === "lost"}>
        <div class="lost" role="alert">
          <Glyph name="warn" size={22} />
          <div>
            <strong>{t("reconnecting")}</strong>
            <Show when={currentAt()}>{(at) => <span class="num">{t("stale_since", { time: formatTime(at(), lang()) })}</span>}</Show>
          </div>
        </div>
      </Show>
      <div class={`status panel ${connection()}`} role="status" data-connection={connection()}>
        <i class="lamp" />
        <b>{t(connection() === "live" ? "live" : connection() === "connecting" ? "connecting" : "reconnecting")}</b>
        <Show when={seq() !== undefined}>
          <span class="num">seq {seq()}</span>
        </Show>
        <Show when={lastChange()}>{(change) => <span class="num last">{t("last_change", { time: formatTime(change().at, lang()), what: what() })}</span>}</Show>
      </div>
    </>
  );
}

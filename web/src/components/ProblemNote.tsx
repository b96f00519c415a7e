import { Show } from "solid-js";
import type { Problem } from "../api";
import { named, t } from "../state";
import { Glyph } from "./Symbol";

/** What went wrong and what to do, in the reader's language. */
export function ProblemNote(props: { problem: Problem; again?: () => void }) {
  const network = () => props.problem.code === "network";
  return (
    <div class="problem" role="alert">
      <Glyph name="warn" />
      <div>
        <strong>{named(props.problem.title) || t(network() ? "error_network" : "error_other")}</strong>
        <Show when={props.problem.detail}>
          <p>{props.problem.detail}</p>
        </Show>
        <p>{named(props.problem.remedy) || t(network() ? "error_network_remedy" : "error_other_remedy")}</p>
        <Show when={props.again}>
          <button class="text" onClick={() => props.again?.()}>
            {t("retry")}
          </button>
        </Show>
        <code>
          {props.problem.code}
          {props.problem.field ? ` · ${props.problem.field}` : ""}
        </code>
      </div>
    </div>
  );
}

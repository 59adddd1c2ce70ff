import { TraceFlags } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';

type Root = 'always_on' | 'always_off' | 'traceidratio';
/** As in `OTEL_TRACES_SAMPLER`. */
export type SamplerName = Root | `parentbased_${Root}`;

/** What OpenTelemetry calls by these names. `ratio` is from 0 to 1, for those that have it in their name. */
export function samplerOf(name: SamplerName, ratio: number): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return parentBased(new AlwaysOnSampler());
    case 'parentbased_always_off':
      return parentBased(new AlwaysOffSampler());
    case 'parentbased_traceidratio':
      return parentBased(new TraceIdRatioBasedSampler(ratio));
  }
}

const parentBased = (root: Sampler): Sampler => new ParentBasedSampler({ root: asItsCause(root) });

/**
 * Work with a cause has no parent, but what it follows from was decided about: it is kept when that is. Drawn for once more, a post
 * would hardly ever be kept together with the call that brought it.
 */
const asItsCause = (root: Sampler): Sampler => ({
  shouldSample(context, traceId, name, kind, attributes, links) {
    const [cause] = links;
    if (cause === undefined) return root.shouldSample(context, traceId, name, kind, attributes, links);
    const kept = (cause.context.traceFlags & TraceFlags.SAMPLED) !== 0;
    return { decision: kept ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
  },
  toString: () => `AsItsCause{${root}}`,
});

import type { DescService } from '@bufbuild/protobuf';
import { Code, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Clock } from '../../application/ports/clock.ts';
import type { HealthReport, HealthStatus, ServiceHealth } from '../../application/service-health.ts';
import { connectError } from './answer.ts';
import {
  type Health,
  type HealthCheckRequest,
  HealthCheckResponse_ServingStatus,
} from './gen/grpc/health/v1/health_pb.js';
import { endOf } from './interceptors.ts';
import type { RpcLimits } from './limits.ts';
import { sendHeaders } from './send-headers.ts';

const { UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
const STATUS = { UNKNOWN, SERVING, NOT_SERVING } satisfies Record<HealthStatus, HealthCheckResponse_ServingStatus>;

/**
 * gRPC's own health checking: `""` and the names of `services` for this process, `engine` and `tiktok` for what it leans on. It is open to
 * everybody who reaches the port, and tells them no more than these words.
 */
export function healthService(
  services: readonly DescService[],
  { healthWatches }: Pick<RpcLimits, 'healthWatches'>,
  needs: { readonly health: ServiceHealth; readonly stopping: AbortSignal; readonly clock: Clock },
): ServiceImpl<typeof Health> {
  const { health, stopping, clock } = needs;
  const parts = new Map<string, keyof HealthReport>([
    ['', 'service'],
    ...services.map(({ typeName }) => [typeName, 'service'] as const),
    ['engine', 'engine'],
    ['tiktok', 'tiktok'],
  ]);
  let watches = 0;

  const statusOf = (part: keyof HealthReport) => STATUS[health.now()[part]];

  async function* changes({ service }: HealthCheckRequest, context: HandlerContext) {
    const signal = AbortSignal.any([context.signal, stopping]);
    const part = parts.get(service);
    let changed = Promise.withResolvers<void>();
    const tell = () => changed.resolve();
    const off = health.onChange(tell);
    signal.addEventListener('abort', tell, { once: true });
    try {
      context.values.get(sendHeaders)(context.responseHeader);
      for (let told: HealthCheckResponse_ServingStatus | undefined; ; ) {
        const { promise } = changed;
        const status = part === undefined ? SERVICE_UNKNOWN : statusOf(part);
        if (status !== told) yield { status };
        told = status;
        if (signal.aborted) break;
        await promise;
        changed = Promise.withResolvers();
      }
    } finally {
      off();
      signal.removeEventListener('abort', tell);
    }
    if (!stopping.aborted) throw endOf(signal, clock.now());
    throw connectError(
      {
        status: Code.Unavailable,
        reason: 'SERVICE_STOPPING',
        message: 'This process is stopping.',
        remedy: 'Call Watch again.',
      },
      clock.now(),
    );
  }

  return {
    check({ service }) {
      const part = parts.get(service);
      if (part !== undefined) return { status: statusOf(part) };
      throw connectError(
        {
          status: Code.NotFound,
          reason: 'HEALTH_NAME_UNKNOWN',
          message: 'Nothing of this name has a health here.',
          remedy: 'Call List for the names, or leave it empty for the whole service.',
        },
        clock.now(),
      );
    },

    list: () => ({
      statuses: Object.fromEntries([...parts].map(([name, part]) => [name, { status: statusOf(part) }])),
    }),

    async *watch(request, context) {
      if (watches >= healthWatches) {
        throw connectError(
          {
            status: Code.ResourceExhausted,
            reason: 'WATCHES_EXHAUSTED',
            message: 'This process has as many watches of its health as it takes.',
            remedy: 'Call Check.',
          },
          clock.now(),
        );
      }
      watches += 1;
      try {
        yield* changes(request, context);
      } finally {
        watches -= 1;
      }
    },
  };
}

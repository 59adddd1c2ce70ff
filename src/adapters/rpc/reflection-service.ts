import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ServiceImpl } from '@connectrpc/connect';
import type { Clock } from '../../application/ports/clock.ts';
import { connectError } from './answer.ts';
import type { ServerReflection, ServerReflectionRequest } from './gen/grpc/reflection/v1/reflection_pb.js';

/**
 * gRPC's reflection of these services and of all that they are made of. The descriptors are those of the code: they have no comments.
 * An answer with a file has every file that it imports too, the file itself first.
 */
export function reflectionService(
  services: readonly DescService[],
  needs: { readonly stopping: AbortSignal; readonly clock: Clock },
): ServiceImpl<typeof ServerReflection> {
  const { stopping, clock } = needs;
  const files = new Map<string, DescFile>();
  for (const { file } of services) for (const each of withImports(file)) files.set(each.proto.name, each);
  const declaring = new Map([...files.values()].flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file])));

  const notFound = (what: string, name: string) => ({
    case: 'errorResponse' as const,
    value: { errorCode: Code.NotFound, errorMessage: `There is no ${what} "${name}" here.` },
  });

  const contents = (file: DescFile) => ({
    case: 'fileDescriptorResponse' as const,
    value: { fileDescriptorProto: withImports(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  });

  function answerTo({ messageRequest: asked }: ServerReflectionRequest) {
    switch (asked.case) {
      case 'fileByFilename': {
        const file = files.get(asked.value);
        return file === undefined ? notFound('file', asked.value) : contents(file);
      }
      case 'fileContainingSymbol': {
        const file = declaring.get(asked.value);
        return file === undefined ? notFound('symbol', asked.value) : contents(file);
      }
      // Our protos are of proto3 and extend nothing.
      case 'fileContainingExtension':
        return notFound('extension of', asked.value.containingType);
      case 'allExtensionNumbersOfType':
        return declaring.has(asked.value)
          ? {
              case: 'allExtensionNumbersResponse' as const,
              value: { baseTypeName: asked.value, extensionNumber: [] },
            }
          : notFound('type', asked.value);
      case 'listServices':
        return {
          case: 'listServicesResponse' as const,
          value: { service: services.map(({ typeName }) => ({ name: typeName })) },
        };
      case undefined:
        return {
          case: 'errorResponse' as const,
          value: { errorCode: Code.InvalidArgument, errorMessage: 'The request asks for nothing.' },
        };
    }
  }

  return {
    async *serverReflectionInfo(requests) {
      const stopped = Promise.withResolvers<never>();
      const stop = () =>
        stopped.reject(
          connectError(
            {
              status: Code.Unavailable,
              reason: 'SERVICE_STOPPING',
              message: 'This process is stopping.',
              remedy: 'Ask another one.',
            },
            clock.now(),
          ),
        );
      stopped.promise.catch(() => undefined); // whoever races it hears of it
      stopping.addEventListener('abort', stop, { once: true });
      if (stopping.aborted) stop();
      try {
        const source = requests[Symbol.asyncIterator]();
        for (;;) {
          const next = await Promise.race([source.next(), stopped.promise]);
          if (next.done === true) return;
          const { host: validHost } = next.value;
          yield { validHost, originalRequest: next.value, messageResponse: answerTo(next.value) };
        }
      } finally {
        stopping.removeEventListener('abort', stop);
      }
    },
  };
}

/** The file, and each that it needs, once. */
function withImports(file: DescFile, seen: Set<DescFile> = new Set()): readonly DescFile[] {
  if (!seen.has(file)) {
    seen.add(file);
    for (const needed of file.dependencies) withImports(needed, seen);
  }
  return [...seen];
}

/** The full names of its types, services and methods. */
const symbolsOf = (file: DescFile): readonly string[] =>
  [...nestedTypes(file)].flatMap((type) =>
    type.kind === 'service'
      ? [type.typeName, ...type.methods.map(({ name }) => `${type.typeName}.${name}`)]
      : [type.typeName],
  );

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescService,
  fromBinary,
  ScalarType,
} from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { readServiceConfig } from '../clients/typescript/src/service-config.ts';

/**
 * docs/api.md, from the comments of the protos and from service-config.json. With `--check` nothing is written: the exit code says whether
 * it is up to date.
 */
const TARGET = 'docs/api.md';
const SERVICES = ['ConnectionService', 'VideoService', 'PostService', 'AnalyticsService'];

const image = execFileSync('buf', ['build', '-o', '-#format=binpb'], { maxBuffer: 64 * 2 ** 20 });
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
const files = [...registry.files].filter(
  ({ name }) => !name.startsWith('google/protobuf/') && !name.startsWith('grpc/'),
);
const config = readServiceConfig();

/** Numbers of the fields of descriptor.proto: a comment's place is the way to what it is about. */
const [OF_MESSAGE, OF_ENUM, OF_SERVICE] = [4, 5, 6];
const [FIELD_OF, NESTED_OF, VALUE_OF, METHOD_OF] = [2, 3, 2, 2];

const comments = new Map<FileDescriptorProto, ReadonlyMap<string, string>>(
  files.map(({ proto }) => [
    proto,
    new Map(proto.sourceCodeInfo?.location.map(({ path, leadingComments }) => [path.join(), leadingComments]) ?? []),
  ]),
);

/** The comment in front of an element, its paragraphs apart. Buf's lint sees to it that each has one. */
function commentAt(file: FileDescriptorProto, ...place: readonly number[]): readonly string[] {
  const text = comments.get(file)?.get(place.join());
  if (text === undefined || text.trim() === '') throw new Error(`${file.name}: no comment at ${place.join()}`);
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replaceAll(/\s*\n\s*/g, ' '));
}

const shortName = (typeName: string): string => typeName.replace(/^glowtify\.tiktok\.v1\./, '');
const anchor = (typeName: string): string => shortName(typeName).toLowerCase().replaceAll('.', '');
const cell = (text: string): string => text.replaceAll('|', '\\|');

const link = ({ typeName }: DescMessage | DescEnum): string =>
  typeName.startsWith('google.protobuf.')
    ? `\`${typeName.slice('google.protobuf.'.length)}\``
    : `[\`${shortName(typeName)}\`](#${anchor(typeName)})`;

function typeOf(field: DescField): string {
  switch (field.fieldKind) {
    case 'scalar':
      return `\`${ScalarType[field.scalar].toLowerCase()}\``;
    case 'enum':
      return link(field.enum);
    case 'message':
      return link(field.message);
    case 'list':
      return `list of ${field.listKind === 'scalar' ? `\`${ScalarType[field.scalar].toLowerCase()}\`` : link(field.listKind === 'enum' ? field.enum : field.message)}`;
    case 'map':
      return `map of \`${ScalarType[field.mapKey].toLowerCase()}\` to ${field.mapKind === 'scalar' ? `\`${ScalarType[field.scalar].toLowerCase()}\`` : link(field.mapKind === 'enum' ? field.enum : field.message)}`;
  }
}

function fieldRows(message: DescMessage, place: readonly number[]): readonly string[] {
  if (message.fields.length === 0) return ['No fields.'];
  const rows = message.fields.map((field, index) => {
    const choice = field.oneof === undefined ? '' : `One of \`${field.oneof.name}\`. `;
    const optional = field.proto.proto3Optional ? 'optional ' : '';
    const meaning = commentAt(message.file.proto, ...place, FIELD_OF, index).join(' ');
    return `| \`${field.name}\` | ${optional}${typeOf(field)} | ${cell(choice + meaning)} |`;
  });
  return ['| Field | Type | |', '| --- | --- | --- |', ...rows];
}

function messageSections(message: DescMessage, place: readonly number[]): readonly string[] {
  const nested = message.nestedMessages.filter(({ proto }) => proto.options?.mapEntry !== true);
  return [
    `### ${shortName(message.typeName)}`,
    '',
    ...commentAt(message.file.proto, ...place).flatMap((paragraph) => [paragraph, '']),
    ...fieldRows(message, place),
    '',
    ...nested.flatMap((each) =>
      messageSections(each, [...place, NESTED_OF, message.proto.nestedType.indexOf(each.proto)]),
    ),
  ];
}

function enumSection(each: DescEnum, index: number): readonly string[] {
  const rows = each.values.map(({ name }, value) => {
    const meaning = commentAt(each.file.proto, OF_ENUM, index, VALUE_OF, value).join(' ');
    return `| \`${name}\` | ${cell(meaning)} |`;
  });
  return [
    `### ${shortName(each.typeName)}`,
    '',
    ...commentAt(each.file.proto, OF_ENUM, index),
    '',
    '| Value | |',
    '| --- | --- |',
    ...rows,
    '',
  ];
}

function serviceSection(service: DescService, index: number): readonly string[] {
  const { proto } = service.file;
  const rpcs = service.methods.flatMap((method, at) => {
    const { timeoutMilliseconds, retry } = config.policyOf(service.typeName, method.name);
    const deadline = timeoutMilliseconds === undefined ? 'No deadline' : `Deadline ${timeoutMilliseconds / 1000} s`;
    const repeats = retry === undefined ? 'not repeated by clients' : 'repeated by clients on `UNAVAILABLE`';
    const stream = {
      unary: ['', ''],
      server_streaming: ['', 'stream of '],
      client_streaming: ['stream of ', ''],
      bidi_streaming: ['stream of ', 'stream of '],
    }[method.methodKind];
    return [
      `### ${service.name}.${method.name}`,
      '',
      `${stream[0]}${link(method.input)} → ${stream[1]}${link(method.output)}. ${deadline}, ${repeats}.`,
      '',
      ...commentAt(proto, OF_SERVICE, index, METHOD_OF, at).flatMap((paragraph) => [paragraph, '']),
    ];
  });
  return [
    `## ${service.name}`,
    '',
    ...commentAt(proto, OF_SERVICE, index).flatMap((paragraph) => [paragraph, '']),
    ...rpcs,
  ];
}

const services = SERVICES.map((name) => {
  const service = registry.getService(`glowtify.tiktok.v1.${name}`);
  if (service === undefined) throw new Error(`the contract has no ${name}`);
  return service;
});
const known = files.flatMap((file) => file.services).length;
if (known !== services.length)
  throw new Error(`the contract has ${known} services: name each in SERVICES, in their order`);

const text = `${[
  '# API reference',
  '',
  '<!-- Made by `npm run generate` from the comments of proto/ and from proto/service-config.json. Not to be edited. -->',
  '',
  'Package `glowtify.tiktok.v1`: gRPC, gRPC-Web and Connect. What holds for every call stands in the [README](../README.md#the-api); how callers begin, in [orchestrator.md](orchestrator.md).',
  '',
  ...services.map(
    (service) =>
      `- [${service.name}](#${service.name.toLowerCase()}): ${service.methods.map(({ name }) => `[${name}](#${service.name.toLowerCase()}${name.toLowerCase()})`).join(', ')}`,
  ),
  '- [Messages](#messages), [enums](#enums)',
  '',
  ...services.flatMap((service) => serviceSection(service, service.file.services.indexOf(service))),
  '## Messages',
  '',
  ...files.flatMap((file) => file.messages.flatMap((message, index) => messageSections(message, [OF_MESSAGE, index]))),
  '## Enums',
  '',
  ...files.flatMap((file) => file.enums.flatMap(enumSection)),
]
  .join('\n')
  .trimEnd()}\n`;

if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== text) throw new Error(`${TARGET} is stale: run "npm run generate"`);
  console.log(`${TARGET} is up to date`);
} else {
  writeFileSync(TARGET, text);
}

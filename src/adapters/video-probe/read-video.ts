import {
  CustomSource,
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  type InputTrack,
  type InputVideoTrack,
  MATROSKA,
  MP4,
  QTFF,
  WEBM,
} from 'mediabunny';
import type { RandomAccess } from '../../application/ports/random-access.ts';
import type { Finding } from '../../domain/finding.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { VideoSpec } from '../../domain/video/video-spec.ts';
import type { FileSignature } from './file-signature.ts';
import { corrupt, notAVideo } from './probe-findings.ts';

export type Readable = Extract<FileSignature, { kind: 'READABLE' }>;

/**
 * How many frames the frame rate is judged by. MP4 and MOV list all of theirs in the index; in WebM each has to be
 * looked for among the picture data, so a few seconds must do.
 */
const FRAMES = { ISOBMFF: 20_000, MATROSKA: 300 } as const;

/** Reads the index and a few packets of a file whose structure holds. Unbounded in time and memory on a hostile file: only for a worker. */
export async function readVideo(file: RandomAccess, signature: Readable): Promise<Result<VideoSpec, Finding>> {
  using input = new Input({
    formats: [MP4, QTFF, WEBM, MATROSKA],
    source: new CustomSource({
      getSize: () => file.sizeBytes,
      read: (start, end) => file.readAt(start, end),
      prefetchProfile: 'fileSystem',
    }),
  });
  const video = await input.getPrimaryVideoTrack();
  const audio = await input.getPrimaryAudioTrack();
  if (video === null) return err(audio === null ? corrupt('its index names no picture') : notAVideo('sound only'));

  const picture = await extentOf(video);
  if (picture === 'EMPTY') return err(corrupt('it has not a single frame'));
  const sound = audio === null ? 'EMPTY' : await extentOf(audio);
  if (picture === 'CUT' || sound === 'CUT') return err(corrupt('its index points at bytes that are not in the file'));

  const durationSeconds = playingTime(sound === 'EMPTY' ? [picture] : [picture, sound]);
  if (!(durationSeconds > 0)) return err(corrupt('its frames have no length'));

  return ok({
    container:
      signature.family === 'ISOBMFF' ? signature.container : (await input.getFormat()) === WEBM ? 'webm' : 'mkv',
    videoCodec: await videoCodecOf(video),
    ...(audio !== null && sound !== 'EMPTY' && { audioCodec: await audioCodecOf(audio) }),
    width: await video.getDisplayWidth(),
    height: await video.getDisplayHeight(),
    rotation: await video.getRotation(),
    frameRate: await frameRateOf(video, FRAMES[signature.family], durationSeconds),
    durationSeconds,
    bitRate: Math.round((file.sizeBytes * 8) / durationSeconds),
    sizeBytes: file.sizeBytes,
  });
}

/** In seconds from the start of the presentation. */
type Extent = { readonly start: number; readonly end: number };

/** Reads the first and the last packet for real, so that an index that points nowhere is noticed. */
async function extentOf(track: InputTrack): Promise<Extent | 'EMPTY' | 'CUT'> {
  const sink = new EncodedPacketSink(track);
  if ((await sink.getFirstPacket({ metadataOnly: true })) === null) return 'EMPTY';
  const first = await sink.getFirstPacket();
  const last = await sink.getPacket(Number.POSITIVE_INFINITY);
  if (first === null || last === null) return 'CUT';
  return { start: first.timestamp, end: last.timestamp + last.duration };
}

/** Encoders start sound a moment early and players cut that off; recorders may start their clock anywhere. */
function playingTime(extents: readonly Extent[]): number {
  const start = Math.max(0, Math.min(...extents.map((extent) => extent.start)));
  return Math.max(...extents.map((extent) => extent.end)) - start;
}

async function frameRateOf(video: InputVideoTrack, frames: number, durationSeconds: number): Promise<number> {
  const metrics = await video.computeFrameRateMetrics({ targetPacketCount: frames });
  if (metrics.probedPacketCount < 2) return metrics.probedPacketCount / durationSeconds;
  // The best guess is the true fraction behind rounded timestamps, such as 24000/1001. It also holds for a video that
  // leaves frames out, and there it isn't what the viewer sees.
  return metrics.frameRateIsConstant ? metrics.bestGuessFrameRate : metrics.averageFrameRate;
}

async function videoCodecOf(track: InputVideoTrack): Promise<string> {
  const codec = await track.getCodec();
  if (codec === 'avc') return 'h264';
  if (codec === 'hevc') return 'h265';
  return codec ?? (await containersNameOf(track));
}

async function audioCodecOf(track: InputAudioTrack): Promise<string> {
  return (await track.getCodec()) ?? (await containersNameOf(track));
}

async function containersNameOf(track: InputTrack): Promise<string> {
  const id = await track.getInternalCodecId();
  return typeof id === 'string' ? id.trim() : 'unknown';
}

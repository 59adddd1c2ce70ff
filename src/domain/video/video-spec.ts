/** `3gp`, `mkv` and whatever else was recognised are read too, so that the refusal can name them. */
export type Container = 'mp4' | 'mov' | 'webm' | (string & {});

/** `av1`, `prores`, or the container's own name for a codec that nobody knows, such as `mp4v`. */
export type VideoCodec = 'h264' | 'h265' | 'vp8' | 'vp9' | (string & {});

/** What the file itself says, read from its index and its frames, never from its name or a header of the request. */
export type VideoSpec = {
  readonly container: Container;
  readonly videoCodec: VideoCodec;
  /** Missing when there is no sound: no audio track, or one without a single packet. */
  readonly audioCodec?: string;
  /** Square pixels as the viewer sees them: after rotation and pixel aspect ratio. */
  readonly width: number;
  /** Square pixels as the viewer sees them: after rotation and pixel aspect ratio. */
  readonly height: number;
  /** Degrees clockwise that a player turns the stored frames by. `width` and `height` have it applied already. */
  readonly rotation: 0 | 90 | 180 | 270;
  /** Frames per second: the steady rate, or for a variable one the average. */
  readonly frameRate: number;
  /** Seconds until picture and sound have both ended. */
  readonly durationSeconds: number;
  /** Bits per second of the whole file, its padding and index included. */
  readonly bitRate: number;
  readonly sizeBytes: number;
};

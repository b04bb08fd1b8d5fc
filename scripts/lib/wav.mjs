const RATE = 22_050

/**
 * A WAV file of a sine tone: PCM, 16 bits, mono.
 *
 * @param {number} frequency in hertz
 * @param {number} seconds
 * @returns {Buffer}
 */
export function tone(frequency, seconds) {
  const samples = Math.round(RATE * seconds)
  const file = Buffer.alloc(44 + samples * 2)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(file.length - 8, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16) // length of this chunk
  file.writeUInt16LE(1, 20) // PCM
  file.writeUInt16LE(1, 22) // one channel
  file.writeUInt32LE(RATE, 24)
  file.writeUInt32LE(RATE * 2, 28) // bytes a second
  file.writeUInt16LE(2, 32) // bytes a frame
  file.writeUInt16LE(16, 34) // bits a sample
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(samples * 2, 40)
  const fade = RATE / 100
  for (let at = 0; at < samples; at++) {
    // Faded in and out over 10 ms: a tone that begins at once clicks.
    const loudness = Math.min(1, at / fade, (samples - at) / fade)
    const value = Math.sin((2 * Math.PI * frequency * at) / RATE) * loudness * 0.5
    file.writeInt16LE(Math.round(value * 32_767), 44 + at * 2)
  }
  return file
}

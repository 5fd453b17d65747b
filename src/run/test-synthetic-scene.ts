/** A file with the blocks of a scene, whose saves move all addresses and run numbers as Blender's do. For machines without Blender. */
import { createRandom, type Random } from '#kernel/random.ts'

export interface SyntheticScene {
  readonly objects: number
  readonly verticesEach: number
  /** Of the run that saves it: where its memory is and how its data-blocks are numbered. */
  readonly run: number
  /** Which object was moved and reshaped; null for none. */
  readonly edited: number | null
}

const HEAD_BYTES = 24
const ID_BYTES = 400
const NAME_AT = 40
const RUN_AT = 108

export function syntheticScene({ objects, verticesEach, run, edited }: SyntheticScene): Buffer {
  const memory = createRandom(run)
  const base = 0x7f00_0000_0000 + memory.int(0xff) * 2 ** 32
  let offset = 0
  const address = (): number => {
    offset += 64 + memory.int(40) * 16
    return base + offset
  }
  const blocks: Buffer[] = [Buffer.from('BLENDER-v304')]
  const add = (code: string, at: number, data: Buffer): void => {
    const head = Buffer.alloc(HEAD_BYTES)
    head.write(code, 0, 'latin1')
    head.writeUInt32LE(data.length, 4)
    writeAddress(head, 8, at)
    head.writeUInt32LE(1, 20)
    blocks.push(head, data)
  }
  for (let index = 0; index < objects; index++) {
    const shape = createRandom(index * 2 + (index === edited ? 1 : 0))
    const [object, mesh, points] = [address(), address(), address()]
    const thing = dataBlock(`OBThing.${index}`, memory)
    writeAddress(thing, 200, mesh)
    thing.writeFloatLE(index === edited ? 7.5 : index, 240)
    add('OB', object, thing)
    const data = dataBlock(`METhing.${index}`, memory)
    writeAddress(data, 200, points)
    // Memory that is not saved.
    writeAddress(data, 208, address())
    add('ME', mesh, data)
    add('DATA', points, vertices(verticesEach, shape))
  }
  add('ENDB', 0, Buffer.alloc(0))
  return Buffer.concat(blocks)
}

function dataBlock(name: string, memory: Random): Buffer {
  const data = Buffer.alloc(ID_BYTES)
  data.write(name, NAME_AT, 'latin1')
  data.writeUInt32LE(memory.int(2 ** 31), RUN_AT + 24)
  return data
}

function vertices(count: number, random: Random): Buffer {
  const points = new Float32Array(count * 3)
  for (let index = 0; index < points.length; index++) points[index] = random.int(1 << 20) / 4096
  return Buffer.from(points.buffer)
}

function writeAddress(into: Buffer, at: number, address: number): void {
  into.writeUInt32LE(address % 2 ** 32, at)
  into.writeUInt32LE(Math.floor(address / 2 ** 32), at + 4)
}

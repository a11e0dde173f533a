"""Buffers compressed by Python's own libraries, with nothing of ours but the reference.

Answers what Rust sends: opens each frame with the library of its format, and sends back the buffers, compressed again by that
library in several ways, beside what they hold.
"""

import sys
import zlib

import blosc2
import lz4.frame
import msgpack
import numpy
import zmq
import zstandard

from outband_wire import REFERENCE, check


def open_blosc2(frame, told):
    """The bytes of a frame; the length of its elements and its filters are added to `told`."""
    schunk = blosc2.schunk_from_cframe(bytes(frame))
    filters = [blosc2.Filter(chosen).name for chosen in schunk.cparams.filters if chosen != blosc2.Filter.NOFILTER]
    told.append({"item": schunk.typesize, "filters": filters})
    assert schunk.nbytes == sum(len(chunk) for chunk in map(schunk.decompress_chunk, range(schunk.nchunks)))
    return schunk[:] if schunk.typesize == 1 else b"".join(map(schunk.decompress_chunk, range(schunk.nchunks)))


OPENERS = {
    "zlib": lambda frame, _told: zlib.decompress(frame),
    "lz4": lambda frame, _told: lz4.frame.decompress(frame),
    "zstd": lambda frame, _told: zstandard.ZstdDecompressor().decompress(frame),
    "blosc2": open_blosc2,
}


def blosc2_frames(raw, item, in_all_ways):
    """The buffer in Blosc2 frames of many settings: compressors, filters, lengths of chunks and blocks."""
    filters = [[], [blosc2.Filter.SHUFFLE], [blosc2.Filter.BITSHUFFLE], [blosc2.Filter.TRUNC_PREC, blosc2.Filter.SHUFFLE]]
    if not in_all_ways:
        yield blosc2.SChunk(chunksize=2**22, data=raw, cparams=dict(typesize=item, clevel=1)).to_cframe()
        yield blosc2.SChunk(chunksize=2**20, data=raw, cparams=dict(typesize=item, codec=blosc2.Codec.BLOSCLZ)).to_cframe()
        return
    for codec in [blosc2.Codec.BLOSCLZ, blosc2.Codec.LZ4, blosc2.Codec.LZ4HC, blosc2.Codec.ZLIB, blosc2.Codec.ZSTD]:
        for chosen in filters if item in (4, 8) else filters[:3]:
            for chunk in [None, 65_536 * item]:
                for splitmode in [blosc2.SplitMode.ALWAYS_SPLIT, blosc2.SplitMode.NEVER_SPLIT, blosc2.SplitMode.AUTO_SPLIT]:
                    meta = [23 if one is blosc2.Filter.TRUNC_PREC and item == 4 else 0 for one in chosen]
                    meta = [52 if one is blosc2.Filter.TRUNC_PREC and item == 8 else kept for one, kept in zip(chosen, meta)]
                    cparams = dict(codec=codec, filters=chosen, filters_meta=meta, typesize=item, splitmode=splitmode, clevel=3)
                    schunk = blosc2.SChunk(chunksize=chunk, data=raw, cparams=cparams)
                    if chunk is None:
                        # metadata in the header and in the trailer is passed over
                        schunk.vlmeta["note"] = "nothing to do with the data"
                    yield schunk.to_cframe()
        # the shortest blocks that it compresses, and blocks in the order in which threads are done with them
        for options in [dict(blocksize=32 * item), dict(blocksize=1024 * item, nthreads=4)]:
            yield blosc2.SChunk(data=raw, cparams=dict(typesize=item, codec=codec, **options)).to_cframe()
        yield out_of_order(raw, dict(typesize=item, codec=codec))


def out_of_order(raw, cparams):
    """A frame whose chunks were put in, replaced and taken out after others."""
    item = cparams["typesize"]
    length = -(-len(raw) // item // 3) * item
    first, second, last = raw[:length], raw[length : 2 * length], raw[2 * length :]
    schunk = blosc2.SChunk(chunksize=length, cparams=cparams)
    schunk.append_data(second[::-1])
    schunk.append_data(second)
    schunk.insert_data(0, bytes(length), True)
    schunk.update_data(0, first, True)
    schunk.delete_chunk(1)
    schunk.append_data(last)
    return schunk.to_cframe()


def compressed(raw, item, in_all_ways):
    """The buffer as the libraries compress it by default, and otherwise."""
    for level in [0, 1, 9]:
        yield "zlib", zlib.compress(raw, level)
    for options in [
        {},
        dict(store_size=False),
        dict(block_linked=True, block_size=lz4.frame.BLOCKSIZE_MAX64KB),
        dict(block_linked=False, block_size=lz4.frame.BLOCKSIZE_MAX4MB, content_checksum=True),
        dict(block_checksum=True, compression_level=9),
    ]:
        yield "lz4", lz4.frame.compress(raw, **options)
    for options in [dict(level=1), dict(level=19 if in_all_ways else 2), dict(write_checksum=True), dict(write_content_size=False)]:
        yield "zstd", zstandard.ZstdCompressor(**options).compress(raw)
    # a stream without a known length
    compressor = zstandard.ZstdCompressor().compressobj()
    yield "zstd", compressor.compress(raw) + compressor.flush()
    for frame in blosc2_frames(raw, item, in_all_ways):
        yield "blosc2", frame


def main():
    socket = zmq.Context().socket(zmq.REP)
    socket.rcvtimeo = socket.sndtimeo = 60_000
    print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    while True:
        metadata, *frames = socket.recv_multipart()
        opened, told = [], []

        def resolve(kind, payload):
            assert kind == REFERENCE, kind
            frame, length, checked, *packed = msgpack.unpackb(payload)
            buffer = frames[frame]
            assert (len(buffer), check(buffer)) == (length, checked)
            if not packed:
                opened.append(None)
                return buffer
            encoding, raw_length = packed
            raw = OPENERS[encoding](buffer, told)
            assert len(raw) == raw_length, (encoding, len(raw), raw_length)
            opened.append(encoding)
            return raw

        value = msgpack.unpackb(metadata, ext_hook=resolve)
        if value == "enough":
            socket.send(msgpack.packb(None))
            return
        if "arrays" in value:
            # the very elements, as NumPy counts them
            lengths = [numpy.frombuffer(array["data"], array["$array"]).itemsize for array in value["arrays"]]
            socket.send(msgpack.packb({"lengths": lengths, "opened": opened, "told": told}))
            continue
        item, raw, variants = value["item"], value["raw"], value["compressed"]
        assert all(variant == raw for variant in variants), [len(variant) for variant in variants]
        made = list(compressed(raw, item, value["in_all_ways"]))
        references = [
            msgpack.ExtType(REFERENCE, msgpack.packb([frame, len(stored), check(stored), encoding, len(raw)]))
            for frame, (encoding, stored) in enumerate(made)
        ]
        answer = {"opened": opened, "told": told, "variants": references}
        socket.send_multipart([msgpack.packb(answer), *(stored for _, stored in made)])


if __name__ == "__main__":
    sys.exit(main())

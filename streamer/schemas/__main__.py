from streamer.schemas import write

write()

import socket

from streamer.ports import HOST, Port


def test_no_two_choose_the_same_port() -> None:
    ports = [Port() for _ in range(300)]
    assert len({port.number for port in ports}) == 300
    for port in ports:
        with socket.create_server((HOST, port.number)):  # free for the server that it was chosen for
            port.release()


def test_a_port_is_given_back_at_the_end() -> None:
    with Port() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        port.release()
        other.bind((HOST, port.number))

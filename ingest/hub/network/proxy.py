"""A way through an HTTP proxy: CONNECT, with Basic authentication (RFC 9110, section 9.3.6; RFC 7617)."""

import base64
import socket
from typing import Final

from ingest.address import before_port
from ingest.config.proxies import ProxyAddress
from ingest.hub.network.faults import NetworkFault, quoted
from ingest.hub.network.http_head import Answer, NoHttp, ask
from ingest.hub.network.route import AMQPS_PORT
from ingest.timing import Deadline

_REFUSED: Final = 407


def connect_through(connected: socket.socket, proxy: ProxyAddress, host: str, port: int, deadline: Deadline) -> None:
    """Has the proxy connect to host:port; afterwards the socket is a connection with that. Raises NetworkFault."""
    target = f"{before_port(host)}:{port}"
    try:
        answer = ask(connected, "CONNECT", target, [("Host", target), *authorization(proxy)], deadline)
    except TimeoutError:
        raise NetworkFault(
            "proxy",
            f"the proxy {proxy} takes the connection and says nothing about {target}",
            "see whether that is the address of an HTTP proxy, and whether the proxy itself can reach the hub",
        ) from None
    except NoHttp as error:
        raise NetworkFault(
            "proxy", f"what answers at {proxy} is no HTTP proxy ({quoted(str(error))})", "correct proxy.url"
        ) from None
    except OSError as error:
        raise NetworkFault(
            "proxy",
            f"the proxy {proxy} ended the connection ({error.strerror or error})",
            "see whether it is one for HTTP, and what its log says",
        ) from None
    if not 200 <= answer.status < 300:
        raise refusal(proxy, target, answer)
    if answer.rest:
        raise NetworkFault(
            "proxy",
            f"the proxy {proxy} sent more than its answer to CONNECT",
            "it does not leave the connection to the hub alone: see whether it inspects it, and except the hub from that",
        )


def authorization(proxy: ProxyAddress) -> list[tuple[str, str]]:
    """The header that tells the proxy who we are; none without a user."""
    if not proxy.username:
        return []
    pair = f"{proxy.username}:{proxy.password.reveal()}".encode()
    return [("Proxy-Authorization", f"Basic {base64.b64encode(pair).decode('ascii')}")]


def refusal(proxy: ProxyAddress, target: str, answer: Answer) -> NetworkFault:
    """What an answer other than 2xx means."""
    said = quoted(answer.status_line)
    if answer.status == _REFUSED:
        return _no_password(proxy, said, answer)
    if answer.status in (401, 403, 405):
        amqps = target.endswith(f":{AMQPS_PORT}")
        otherwise = ', or write hub.network = "websocket", which needs port 443 alone' if amqps else ""
        return NetworkFault(
            "proxy_refuses",
            f'the proxy {proxy} does not let us through to {target} ("{said}")',
            f"have it allow CONNECT to {target}{otherwise}",
        )
    return NetworkFault(
        "proxy",
        f'the proxy {proxy} cannot connect to {target} ("{said}")',
        "see in its log why, and whether the host in the connection string is right",
    )


def _no_password(proxy: ProxyAddress, said: str, answer: Answer) -> NetworkFault:
    offered = answer.header("Proxy-Authenticate")
    schemes = [quoted(each.split(" ")[0]) for each in offered if each.strip()]
    if schemes and "basic" not in map(str.lower, schemes):
        seen = f'the proxy {proxy} wants {", ".join(schemes)} ("{said}")'
        return NetworkFault(
            "proxy_password", seen, "have it take Basic for this machine, or let it through by its address"
        )
    if not proxy.username:
        return NetworkFault(
            "proxy_password",
            f'the proxy {proxy} wants a user and a password ("{said}")',
            "write proxy.url as http://USER@HOST:PORT, and a file with the password as proxy.password_file",
        )
    return NetworkFault(
        "proxy_password",
        f'the proxy {proxy} refuses user {quoted(proxy.username)} with this password ("{said}")',
        "correct the user in proxy.url, or the password in the file of proxy.password_file",
    )

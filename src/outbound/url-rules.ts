import { OutboundError } from './errors.ts'

/** Ports from 1024 on where other services listen, which take a request for what it is not. */
const SERVICE_PORTS: ReadonlySet<number> = new Set([
  // Databases and caches.
  ...[
    1433, 1521, 3306, 5432, 5433, 5984, 6379, 6380, 7000, 7001, 7199, 8086, 9042, 9200, 9300, 11_211, 26_379, 27_017,
    27_018, 27_019,
  ],
  // Docker, etcd, Consul, Kubernetes, ZooKeeper, queues.
  ...[
    2181, 2375, 2376, 2377, 2379, 2380, 4243, 8300, 8301, 8500, 8501, 6443, 10_250, 10_255, 10_257, 10_259, 1883, 4222,
    5671, 5672, 9092,
  ],
  // Files, screens, mail, printers, directories.
  ...[2049, 3128, 3260, 3389, 5900, 5985, 5986, 2525, 6000, 9100, 3268, 3269],
])

/** Names that mean this machine or its network, wherever they resolve to. */
const LOCAL_NAME = /(?:^|\.)(?:localhost|local|internal)$/

/**
 * What can be said of a URL without a network.
 * @param text a URL, as the WHATWG's parser reads it, which is the one that is connected by: `0x7f.1` is 127.0.0.1 to it
 * @throws OutboundError `outbound.refused`
 */
export function parseOutboundUrl(text: string | URL): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) throw refused('The URL must begin with http:// or https://.')
  if (url.username !== '' || url.password !== '') throw refused('The URL may hold no user and no password.')
  if (!isPortAllowed(url))
    throw refused(
      `The URL’s port ${url.port} is none that this server asks: take 80, 443, or one from 1024 on that no other service is known by.`,
    )
  return url
}

/** The name or the address that a URL names: without the brackets, and without the dot of a name that is written out in full. */
export function hostOf(hostname: string): string {
  return hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase()
}

/** Whether a name belongs to a machine or a network of its own. */
export function isLocalName(host: string): boolean {
  return LOCAL_NAME.test(host)
}

function isPortAllowed({ port }: URL): boolean {
  if (port === '' || port === '80' || port === '443') return true
  return Number(port) >= 1024 && !SERVICE_PORTS.has(Number(port))
}

function refused(message: string): OutboundError {
  return new OutboundError('outbound.refused', message)
}

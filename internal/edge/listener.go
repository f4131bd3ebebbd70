package edge

import (
	"net"
	"net/netip"
	"sync"
)

// Connections bounds how many connections are open at once, in all and from one network. Guarded networks are
// bounded in all only. What is over the bound is closed at once, unread.
type Connections struct {
	Max, PerAddressMax int
	Guarded            Guarded

	mu   sync.Mutex
	open int
	by   map[netip.Prefix]int
}

// Listen returns a listener that keeps to the bounds.
func (c *Connections) Listen(inner net.Listener) net.Listener {
	c.by = map[netip.Prefix]int{}
	return &boundedListener{Listener: inner, connections: c}
}

type boundedListener struct {
	net.Listener
	connections *Connections
}

// Accept returns the next connection that may stay.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http knows these by identity
		}
		from := prefixOfConn(conn)
		if l.connections.enter(from) {
			return &boundedConn{Conn: conn, leave: sync.OnceFunc(func() { l.connections.leave(from) })}, nil
		}
		_ = conn.Close() // the other side learns it by the reset
	}
}

func prefixOfConn(conn net.Conn) netip.Prefix {
	address, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	return PrefixOf(address.Addr())
}

func (c *Connections) enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.Max || c.by[from] >= c.PerAddressMax && !c.Guarded.Has(from) {
		return false
	}
	c.open++
	c.by[from]++
	return true
}

func (c *Connections) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.by[from]--; c.by[from] == 0 {
		delete(c.by, from)
	}
}

type boundedConn struct {
	net.Conn
	leave func()
}

// Close ends the connection and gives its place back, once.
func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close() //nolint:wrapcheck // net/http knows these by identity
}

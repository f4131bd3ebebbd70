package api

import (
	"maps"
	"net/http"
	"net/netip"
	"strings"
)

// apiPolicy lets an answer of the API load and show nothing at all, should a browser ever take it for a page.
const apiPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Security headers of every answer. Pages of our own and mounts replace the policy by theirs.
const (
	permissionsPolicy = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
		"microphone=(), payment=(), usb=()"
	// transportSecurity is sent behind TLS only: RFC 6797 §7.2. A year, as browsers' preload lists want it at least.
	transportSecurity = "max-age=31536000"
)

// securityHeaders are the headers that never change, shared by all answers.
func securityHeaders() map[string][]string {
	return map[string][]string{
		"X-Content-Type-Options":       {"nosniff"},
		"Content-Security-Policy":      {apiPolicy},
		"Referrer-Policy":              {"no-referrer"},
		"X-Frame-Options":              {"DENY"},
		"Permissions-Policy":           {permissionsPolicy},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Cross-Origin-Embedder-Policy": {"require-corp"},
	}
}

// secure writes the security headers of an answer.
func (s *Server) secure(header http.Header, r *http.Request) {
	maps.Copy(header, s.security)
	if s.overTLS(r) {
		header["Strict-Transport-Security"] = s.headers.hsts
	}
}

// overTLS reports whether the caller's own connection is encrypted: here, or at a proxy that we trust.
func (s *Server) overTLS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	said := r.Header["X-Forwarded-Proto"]
	if len(said) != 1 || !strings.EqualFold(said[0], "https") {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && isTrusted(plainAddress(peer.Addr()), s.options.TrustedProxies)
}

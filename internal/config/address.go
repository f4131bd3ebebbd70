package config

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Origins returns the origins that may use passkeys, and the host that passkeys belong to: that of the first.
func (c Config) Origins() (host string, origins []string, err error) {
	for text := range strings.SplitSeq(c.WebOrigins, ",") {
		if text = strings.TrimSpace(text); text != "" {
			origins = append(origins, text)
		}
	}
	if len(origins) == 0 && c.Mode == Sandbox {
		_, port, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return "", nil, nil //nolint:nilerr // Validate says what is wrong with listen
		}
		// Browsers take passkeys on localhost without TLS, and not on 127.0.0.1.
		return "localhost", []string{"http://localhost:" + port}, nil
	}
	if len(origins) == 0 {
		return "", nil, nil
	}
	first, err := url.Parse(origins[0])
	if err != nil || first.Hostname() == "" || first.Path != "" ||
		(first.Scheme != "https" && first.Hostname() != "localhost") {
		return "", nil, fmt.Errorf("web_origins: %q is not an origin; write it like https://pay.example", origins[0])
	}
	return first.Hostname(), origins, nil
}

package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
)

// masked stands in place of a secret.
const masked = "***"

// Lines returns one line for each setting, `name = value`, with secrets masked.
func (c Config) Lines() []string {
	attrs := attrs(c)
	lines := make([]string, len(attrs))
	for i, attr := range attrs {
		lines[i] = attr.Key + " = " + attr.Value.String()
	}
	return lines
}

// LogValue returns the settings for the log with secrets masked.
func (c Config) LogValue() slog.Value { return slog.GroupValue(attrs(c)...) }

// String returns the lines, so that no way of printing shows a secret.
func (c Config) String() string { return strings.Join(c.Lines(), "\n") }

// GoString returns the same as String.
func (c Config) GoString() string { return c.String() }

// attrs returns the fields of a struct of settings under their names in the file, in order.
func attrs(settings any) []slog.Attr {
	value := reflect.ValueOf(settings)
	shown := make([]slog.Attr, value.NumField())
	for i := range shown {
		field := value.Type().Field(i)
		text := fmt.Sprint(value.Field(i).Interface())
		switch field.Tag.Get("secret") {
		case "url":
			text = maskURL(text)
		case "value":
			text = maskValue(text)
		}
		shown[i] = slog.String(field.Tag.Get("toml"), text)
	}
	return shown
}

// maskURL hides the password of a URL and every query parameter whose name speaks of a secret. A
// SQLite path has none. What it cannot read it does not show.
func maskURL(text string) string {
	if text == "" || strings.HasPrefix(text, "sqlite:") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return masked
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return masked
	}
	for name := range query {
		for _, word := range []string{"pass", "secret", "token", "key"} {
			if strings.Contains(strings.ToLower(name), word) {
				query.Set(name, masked)
			}
		}
	}
	u.RawQuery = query.Encode()
	if u.User != nil {
		u.User = url.UserPassword(u.User.Username(), masked)
	}
	return strings.ReplaceAll(u.String(), url.QueryEscape(masked), masked)
}

// maskValue hides all but whether there is a value.
func maskValue(text string) string {
	if text == "" {
		return ""
	}
	return masked
}

package feiqian

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
)

// queryOf writes the members of a filter that are set as query parameters: their names and forms are those of JSON.
func queryOf(filter any) url.Values {
	text, err := json.Marshal(filter)
	var members map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err != nil || decoder.Decode(&members) != nil {
		return nil // never: filters are flat structs of texts, numbers and instants
	}
	query := url.Values{}
	for name, value := range members {
		query.Set(name, fmt.Sprint(value))
	}
	return query
}

// pages goes through lists: read gets a page and the cursor of the next one, empty at the end.
func pages[T any](read func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			rows, following, err := read(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if following == "" {
				return
			}
			cursor = following
		}
	}
}

func next(more bool, cursor string) string {
	if !more {
		return ""
	}
	return cursor
}

func joined(names []string) string { return strings.Join(names, ",") }

package feiqian

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// resource is one kind of things of the merchant's below a path, each with an id.
type resource struct {
	client *Client
	path   string
}

// at returns the path of a thing, and of what is below it.
func (r resource) at(id, below string) (string, error) {
	name, err := segment(id)
	return r.path + "/" + name + below, err
}

// ask reads or acts on a thing.
func ask[T any](
	ctx context.Context, r resource, method, id, below string, body any, options ...CallOption,
) (*T, error) {
	path, err := r.at(id, below)
	if err != nil {
		return nil, err
	}
	var answer T
	if err := r.client.send(ctx, method, path, nil, body, &answer, options...); err != nil {
		return nil, err
	}
	return &answer, nil
}

// create makes a thing.
func create[T any](ctx context.Context, r resource, body any, options ...CallOption) (*T, error) {
	var made T
	if err := r.client.send(ctx, http.MethodPost, r.path, nil, body, &made, options...); err != nil {
		return nil, err
	}
	return &made, nil
}

// all goes through the pages of a list.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return pages(func(cursor string) ([]T, string, error) {
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Data       []T    `json:"data"`
			HasMore    bool   `json:"has_more"`
			NextCursor string `json:"next_cursor"`
		}
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, "", err
		}
		return page.Data, next(page.HasMore, page.NextCursor), nil
	})
}

package api

import (
	"context"
	"io"
	"reflect"

	"github.com/go-json-experiment/json"
)

// NoContent is the answer of a route that has nothing to say: status 204.
type NoContent struct{}

// Answer is an answer that is stored as bytes, such as that of an idempotency key. It is documented as
// T and written as it is. An idempotency.Answer converts: api.Answer[Payment](answer).
type Answer[T any] struct {
	// Status is the HTTP status that was stored; 0 for 200.
	Status int
	// Body is what Encode made of a T.
	Body []byte
	// Replayed says that the act was done by an earlier request; the caller sees Idempotent-Replayed: true.
	Replayed bool
}

// storedAnswer is an Answer of any type.
type storedAnswer interface {
	documented() reflect.Type
	stored() (status int, body []byte, replayed bool)
}

func (*Answer[T]) documented() reflect.Type { return reflect.TypeFor[T]() }

func (a *Answer[T]) stored() (status int, body []byte, replayed bool) {
	return a.Status, a.Body, a.Replayed
}

// File is an answer that is no JSON: bytes that the caller keeps, such as an image. It is never shown in place, never
// stored on the way and never guessed at.
type File struct {
	// Media is the type, one of those that the route documents; see fileMedia.
	Media string
	Body  []byte
}

// fileMedia are the types a File may have.
func fileMedia() []string { return []string{"image/jpeg", "image/png", "image/svg+xml"} }

// Stream is an answer that is written as it is made, such as an export. Write gets a context that lasts longer
// than a request's.
type Stream struct {
	// Type is the media type, Name that of the file.
	Type, Name string
	Write      func(ctx context.Context, w io.Writer) error
}

// streamTypes are the media types of streams.
func streamTypes() []string {
	return []string{"application/x-ndjson", "text/csv; charset=utf-8", "application/json"}
}

// Encode returns v as JSON, exactly as answers are written: a nil slice is [], a map is sorted, HTML is not
// escaped. The tag omitempty leaves out "", [] and null, omitzero any zero value. Errors: v holds
// text that is not UTF-8, or is nothing JSON can say.
func Encode(v any) ([]byte, error) {
	return json.Marshal(v, json.Deterministic(true))
}

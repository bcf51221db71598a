package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// reply is what every answer of the generated client offers.
type reply interface {
	StatusCode() int
	GetBody() []byte
	ContentType() string
}

var errStranger = errors.New("what answers there is not a Plimsoll server (is --url right?)")

// ask turns the outcome of a call into an answer of success or an error: no connection, or a refusal.
func ask[R reply](r R, err error) (R, error) {
	if err := outcome(r, err); err != nil {
		return r, err
	}
	if len(r.GetBody()) > 0 && !strings.Contains(r.ContentType(), "json") {
		return r, errStranger
	}
	return r, nil
}

// document is ask for answers that are a document, in whatever form: JSON, XML, lines of text.
func document[R reply](r R, err error) ([]byte, error) {
	if err := outcome(r, err); err != nil {
		return nil, err
	}
	if strings.Contains(r.ContentType(), "html") {
		return nil, errStranger
	}
	return r.GetBody(), nil
}

func outcome[R reply](r R, err error) error {
	var typeFault *json.UnmarshalTypeError
	var syntaxFault *json.SyntaxError
	if errors.As(err, &typeFault) || errors.As(err, &syntaxFault) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the answer cannot be read; is this a Plimsoll server of this client's version? %w", err)
	}
	if err != nil {
		return fmt.Errorf("no answer from the server (is it running, is --url right?): %w", err)
	}
	return client.Failure(r.StatusCode(), r.GetBody())
}

// show prints the body as it came for machines, or lets text print for people.
func (c *connection) show(cmd *cobra.Command, body []byte, text func(w io.Writer) error) error {
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), body)
	}
	return text(cmd.OutOrStdout())
}

func printJSON(w io.Writer, body []byte) error {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(body), "", "  "); err != nil {
		return errors.New("the server's answer is not JSON")
	}
	pretty.WriteByte('\n')
	_, err := pretty.WriteTo(w)
	return err
}

// table prints rows under a header. Cells lose control characters: they may come from an image.
func table(w io.Writer, header []string, rows [][]string) error {
	out := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(header, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	return out.Flush()
}

// facts prints name: value lines.
func facts(w io.Writer, pairs ...string) error {
	out := tabwriter.NewWriter(w, 0, 4, 1, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(out, "%s:\t%s\n", pairs[i], printable(pairs[i+1]))
	}
	return out.Flush()
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func shortDigest(digest string) string {
	const keep = len("sha256:") + 12
	if len(digest) <= keep {
		return digest
	}
	return digest[:keep]
}

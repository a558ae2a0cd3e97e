// The SQL field becomes an editor. Without scripts it stays a field that works as well.
const field = document.querySelector("#sql-editor");
if (field) {
  const editor = CodeMirror.fromTextArea(field, {
    mode: "text/x-sql",
    lineWrapping: true,
    viewportMargin: Infinity,
    extraKeys: {
      "Ctrl-Enter": () => field.form.requestSubmit(),
      "Cmd-Enter": () => field.form.requestSubmit(),
      Tab: false,
    },
  });
  const format = document.querySelector("#sql-format");
  format.hidden = false;
  format.addEventListener("click", () => editor.setValue(sqlFormatter.format(editor.getValue())));
}

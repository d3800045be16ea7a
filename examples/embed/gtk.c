/* A chat window as a guest in GTK's main loop.   gtk [URL [TEXT]]

   What is typed is sent, what arrives is shown, and a timer of GTK's counts the seconds. Closing the window says goodbye
   to the server first. With TEXT it runs by itself: it types that, and once there was an answer closes the window and
   prints what was in it. */
#include <glib-unix.h>
#include <gtk/gtk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsock.h>

static wsock_loop *loop;
static wsock_conn *conn; /* NULL when it has ended */
static const char *by_itself;
static int answers, leaving, failed;
static GtkWidget *window, *view, *entry, *status;

static void show(const char *text, size_t len)
{
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(view));
    GtkTextIter end;
    gtk_text_buffer_get_end_iter(buffer, &end);
    gtk_text_buffer_insert(buffer, &end, text, (gint)len);
    gtk_text_buffer_insert(buffer, &end, "\n", 1);
    gtk_text_buffer_place_cursor(buffer, &end);
    gtk_text_view_scroll_mark_onscreen(GTK_TEXT_VIEW(view), gtk_text_buffer_get_insert(buffer));
}

/* ---- the guest ---- */

static void on_open(wsock_conn *from, void *user)
{
    (void)from, (void)user;
    gtk_widget_set_sensitive(entry, TRUE);
    gtk_widget_grab_focus(entry);
    if (by_itself) {
        gtk_entry_set_text(GTK_ENTRY(entry), by_itself);
        gtk_widget_activate(entry);
    }
}

static void on_message(wsock_conn *from, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)from, (void)user;
    if (type == WSOCK_TEXT) /* UTF-8 then, as GTK wants it */
        show((const char *)data, len);
    answers++;
}

static void on_error(wsock_conn *from, const wsock_error_info *error, void *user)
{
    (void)from, (void)user;
    show(error->message, strlen(error->message));
    failed = 1;
}

/* The last that is heard of the connection, also when it never came about. */
static void on_close(wsock_conn *from, const wsock_close_info *info, void *user)
{
    char text[32];
    (void)from, (void)user;
    conn = NULL;
    snprintf(text, sizeof text, "closed with %d", (int)info->code);
    gtk_label_set_text(GTK_LABEL(status), text);
    gtk_widget_set_sensitive(entry, FALSE);
    if (leaving || by_itself)
        gtk_main_quit();
}

static void start(const char *url)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_error = on_error, .on_close = on_close };
    wsock_error_info error = { .struct_size = sizeof error };
    if (wsock_loop_new(&loop) != WSOCK_OK
        || wsock_connect(loop, url, NULL, &handlers, NULL, &conn) != WSOCK_OK
        || wsock_loop_fd(loop) < 0) {
        wsock_last_error(&error);
        fprintf(stderr, "cannot start: %s\n", error.message);
        exit(1);
    }
}

/* ---- the host: GTK ---- */

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd, (void)condition, (void)user;
    if (wsock_loop_poll(loop, 0) < 0) {
        failed = 1;
        gtk_main_quit();
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer user)
{
    static int seconds;
    char text[64];
    (void)user;
    snprintf(text, sizeof text, "%d messages in %d seconds", answers, ++seconds);
    if (conn)
        gtk_label_set_text(GTK_LABEL(status), text);
    if (by_itself && answers > 0)
        gtk_window_close(GTK_WINDOW(window));
    return G_SOURCE_CONTINUE;
}

/* Enter was pressed. Who sends outside of a callback of the library need not do anything more. */
static void on_activate(GtkEntry *from, gpointer user)
{
    const char *text = gtk_entry_get_text(from);
    (void)user;
    if (wsock_conn_send_text(conn, text, strlen(text)) >= 0)
        gtk_entry_set_text(from, "");
}

/* The window stays until the server has answered the goodbye, or the library has waited long enough. */
static gboolean on_delete(GtkWidget *from, GdkEvent *event, gpointer user)
{
    (void)from, (void)event, (void)user;
    leaving = 1;
    if (conn)
        wsock_conn_close(conn, 1000, NULL);
    else
        gtk_main_quit();
    return TRUE;
}

static void open_window(const char *title)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
    GtkWidget *scrolled = gtk_scrolled_window_new(NULL, NULL);
    window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    gtk_window_set_title(GTK_WINDOW(window), title);
    gtk_window_set_default_size(GTK_WINDOW(window), 420, 320);
    gtk_container_set_border_width(GTK_CONTAINER(window), 8);
    view = gtk_text_view_new();
    gtk_text_view_set_editable(GTK_TEXT_VIEW(view), FALSE);
    gtk_text_view_set_cursor_visible(GTK_TEXT_VIEW(view), FALSE);
    gtk_text_view_set_wrap_mode(GTK_TEXT_VIEW(view), GTK_WRAP_WORD_CHAR);
    gtk_container_add(GTK_CONTAINER(scrolled), view);
    entry = gtk_entry_new();
    gtk_entry_set_placeholder_text(GTK_ENTRY(entry), "a message, and Enter");
    gtk_widget_set_sensitive(entry, FALSE); /* until on_open */
    status = gtk_label_new("connecting");
    gtk_box_pack_start(GTK_BOX(box), scrolled, TRUE, TRUE, 0);
    gtk_box_pack_start(GTK_BOX(box), entry, FALSE, FALSE, 0);
    gtk_box_pack_start(GTK_BOX(box), status, FALSE, FALSE, 0);
    gtk_container_add(GTK_CONTAINER(window), box);
    g_signal_connect(entry, "activate", G_CALLBACK(on_activate), NULL);
    g_signal_connect(window, "delete-event", G_CALLBACK(on_delete), NULL);
    gtk_widget_show_all(window);
}

int main(int argc, char **argv)
{
    gtk_init(&argc, &argv);
    const char *url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001/";
    by_itself = argc > 2 ? argv[2] : NULL;
    start(url);
    open_window(url);
    g_timeout_add(1000, on_tick, NULL);

    guint watch = g_unix_fd_add(wsock_loop_fd(loop), G_IO_IN, on_readable, NULL);
    gtk_main();
    g_source_remove(watch); /* before its descriptor is closed */
    if (by_itself) {
        gchar *text;
        g_object_get(gtk_text_view_get_buffer(GTK_TEXT_VIEW(view)), "text", &text, NULL);
        printf("%s%s\n", text, gtk_label_get_text(GTK_LABEL(status)));
        g_free(text);
    }
    wsock_loop_free(loop);
    return failed;
}

/* A native method that does nothing: what the interpreter takes to call one, and so the floor under `send` in Python.
 *
 * Called as `send` is, METH_FASTCALL | METH_KEYWORDS with the same arguments; it looks at none of them. scripts/bench
 * compiles it where Python's headers are, and peer.py times it. No part of the product. */
#include <Python.h>

static PyObject *send(PyObject *self, PyObject *const *arguments, Py_ssize_t positional, PyObject *names)
{
    (void)self, (void)arguments, (void)positional, (void)names;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send", (PyCFunction)(void (*)(void))send, METH_FASTCALL | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "empty", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_empty(void)
{
    return PyModule_Create(&module);
}

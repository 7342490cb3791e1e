"""Where the view is."""

from django.urls import path

from irises.views import predict

urlpatterns = [path("predict", predict)]
